import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct CommandPages {
        @Test("the first five minutes are as docs/start.md shows them")
        func start() async throws {
            let tally = try await TallyProcess.start(["DATA_DIR": "tally-data", "FLUSH_SCHEDULE": Deployment.never])
            let page = CommandPage(path: "docs/start.md", places: [("8080", String(tally.port))])
            #expect(try await page.check(beside: tally) > 10)
        }

        @Test("the commands of docs/commands.md answer as the page shows")
        func commands() async throws {
            let node = try await MongoServer.shared()
            let nodeDatabase = node.uniqueDatabase("abtests")
            let nodeRedis = try await RedisServer.start(appendfsync: nil)
            let tally = try await TallyProcess.start(["DATA_DIR": "tally-data", "FLUSH_SCHEDULE": Deployment.never])
            try await self.count(on: tally)
            try await node.command(
                [
                    "insert": "acme",
                    "documents": [
                        .document(["_id": "cta", "variations": ["A": 1200, "B": 1311]]),
                        .document(["_id": "title", "variations": ["old": 40]]),
                    ],
                ], database: nodeDatabase)
            try await nodeRedis.command(["SET", "count:acme:cta:B", "7"])
            try await nodeRedis.command(["SET", "count:beta:cta:A", "12"])
            let page = CommandPage(
                path: "docs/commands.md",
                places: [
                    ("mongodb://127.0.0.1:27017/abtests", node.uri(database: nodeDatabase)),
                    ("redis://127.0.0.1:6379", nodeRedis.url), ("8080", String(tally.port)),
                ])
            #expect(try await page.check(beside: tally) > 20)
        }

        private func count(on tally: TallyProcess) async throws {
            let counts: [(String, String, String, String, Int)] = [
                ("acme", "cta", "A", "view", 5012), ("acme", "cta", "B", "view", 4988),
                ("acme", "cta", "A", "purchase", 120), ("acme", "cta", "B", "purchase", 131),
                ("acme", "headline", "old", "view", 1204), ("acme", "headline", "new", "view", 1188),
                ("acme", "headline", "new, bold", "view", 1236), ("beta", "cta", "A", "view", 40),
                ("beta", "cta", "B", "view", 38),
            ]
            let items = counts.map {
                #"{"clientName":"\#($0)","testID":"\#($1)","variation":"\#($2)","event":"\#($3)","count":\#($4)}"#
            }
            let response = try await TestConnection.once(
                port: tally.port, .POST, "/track", headers: ["content-type": "application/json"],
                body: Array("[\(items.joined(separator: ","))]".utf8))
            #expect(response.status == 200)
        }
    }
}
