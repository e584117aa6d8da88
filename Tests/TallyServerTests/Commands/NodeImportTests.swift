import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// The Node service's servers, as it leaves them: see Benchmarks/peers/node/server.js.
    private final class NodeService: Sendable {
        let mongo: MongoServer
        let database: String
        let redis: RedisServer

        init() async throws {
            self.mongo = try await MongoServer.shared()
            self.database = self.mongo.uniqueDatabase("node")
            self.redis = try await RedisServer.start(appendfsync: nil)
        }

        var arguments: [String] {
            ["import", "--from-node", "--node-mongodb", self.mongo.uri(database: self.database)]
        }

        var withRedis: [String] { self.arguments + ["--node-redis", self.redis.url] }

        func insert(_ collection: String, _ documents: [BSONDocument]) async throws {
            try await self.mongo.command(
                ["insert": .string(collection), "documents": .array(documents.map { .document($0) })],
                database: self.database)
        }

        func set(_ client: String, _ test: String, _ variation: String, _ count: Int) async throws {
            try await self.redis.command(["SET", "count:\(client):\(test):\(variation)", String(count)])
        }

        func data() async throws -> [[BSONDocument]] {
            var documents: [[BSONDocument]] = []
            for name in ["acme", "beta"] {
                documents.append(try await self.mongo.documents(database: self.database, collection: name))
            }
            return documents
        }
    }

    @Suite struct NodeImports {
        private func counter(_ client: Name, _ test: Name, _ variation: Name) -> Counter {
            Counter(client: client, test: test, variation: variation, event: .view)
        }

        @Test(
            "what the Node service counted is taken over, once, from MongoDB and from Redis; nothing is changed there",
            arguments: Deployment.Kind.allCases)
        func takenOver(_ kind: Deployment.Kind) async throws {
            let node = try await NodeService()
            try await node.insert(
                "acme",
                [
                    ["_id": "cta", "variations": ["A": 12, "B": .double(30)], "total": 42],
                    [
                        "_id": .objectID([UInt8](repeating: 7, count: 12)), "testID": "title",
                        "variations": ["v1": ["2": .int64(5)], "new": 0],
                    ],
                ])
            try await node.insert("beta", [["_id": 17, "variations": ["A": 1]]])
            try await node.set("acme", "cta", "B", 3)
            try await node.set("gamma", "only in Redis", "x", 4)
            try await node.redis.command(["SET", "session:acme:cta:B", "99"])
            let before = try await node.data()

            let deployment = try await Deployment.start(kind)
            let settings = deployment.settings()
            let dry = try await TallyProcess.run(node.withRedis + ["--dry-run"], settings: settings)
            #expect(dry.exit == .code(0), "\(dry)")
            #expect(dry.output.contains("acme        2      50  would be taken over"), "\(dry.output)")
            #expect(dry.output.contains("nothing was changed"))
            #expect(try await TallyProcess.run(["clients"], settings: settings).output.hasPrefix("no client yet"))

            for round in 1...2 {
                let (exit, output) = try await TallyProcess.run(node.withRedis, settings: settings)
                #expect(exit == .code(0), "\(output)")
                #expect(output.contains(round == 1 ? " taken over" : "was taken over before"), "\(output)")
                let counted = try await deployment.countedInStore(clients: ["acme", "beta", "gamma"])
                #expect(
                    counted == [
                        self.counter("acme", "cta", "A"): 12, self.counter("acme", "cta", "B"): 33,
                        self.counter("acme", "title", "v1.2"): 5, self.counter("beta", "17", "A"): 1,
                        self.counter("gamma", "only in Redis", "x"): 4,
                    ])
            }
            #expect(try await node.data() == before)
            #expect(try await node.redis.command(["GET", "count:acme:cta:B"]).text == "3")
            #expect(try await node.redis.command(["DBSIZE"]).integer == 3)

            // The Node service counts on; that is said, and nothing is added to that client. The others are not held up.
            try await node.redis.command(["INCR", "count:acme:cta:B"])
            let changed = try await TallyProcess.run(node.withRedis, settings: settings)
            #expect(changed.exit == .code(1), "\(changed)")
            #expect(changed.output.contains("NOT TAKEN: has changed since 50 counts were taken over"))
            #expect(
                try await deployment.countedInStore(clients: ["acme"])[self.counter("acme", "cta", "B")] == 33)
            #expect(try await TallyProcess.run(["audit"], settings: settings).exit == .code(0))
        }

        @Test(
            "a take-over that is killed is repeated, and counts once", arguments: [Deployment.Kind.embedded, .mongoDB])
        func interrupted(_ kind: Deployment.Kind) async throws {
            let node = try await NodeService()
            let clients = (10..<50).map { "client\($0)" }
            let ledger = Ledger()
            for client in clients {
                try await node.insert(
                    client,
                    (0..<5).map { test in
                        ["_id": .string("t\(test)"), "variations": ["A": 3, "B": 4]]
                    })
                for test in 0..<5 {
                    ledger.recordAcknowledged(self.counter(Name(client), Name("t\(test)"), "A"), 3)
                    ledger.recordAcknowledged(self.counter(Name(client), Name("t\(test)"), "B"), 4)
                }
            }
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            for passing in [2, 15] { try await tally.run(node.arguments, dyingAt: .midImport, passing: passing) }
            let (exit, output) = try await tally.run(node.arguments)
            #expect(exit == .code(0) && output.contains("was taken over before"), "\(output)")
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
        }

        @Test("what cannot be taken over is named, and only --force goes on without it")
        func faults() async throws {
            let node = try await NodeService()
            try await node.insert(
                "acme",
                [
                    ["_id": "cta", "variations": ["A": 1, " B": 2]], ["_id": "none", "other": 1],
                    ["_id": "text", "variations": ["A": "many"]],
                ])
            try await node.insert("not.a.client", [["_id": "cta", "variations": ["A": 1]]])
            try await node.redis.command(["SET", "count:acme:a:b:c", "1"])
            try await node.redis.command(["SET", "count:acme:cta:A", "x"])
            let deployment = try await Deployment.start(.embedded)
            let refused = try await TallyProcess.run(node.withRedis, settings: deployment.settings())
            #expect(refused.exit == .code(1), "\(refused)")
            for words in [
                #"document "cta" of the collection acme: variation " B" has a space at an end"#,
                #"document "none" of the collection acme: variations is not a document"#,
                #"the number of variation "A" is no whole number"#, "the collection not.a.client names no client",
                "fits the pattern in 2 ways", #"the key "count:acme:cta:A" holds no whole number"#,
            ] { #expect(refused.output.contains(words), "\(words)\n\(refused.output)") }
            #expect(
                try await TallyProcess.run(["clients"], settings: deployment.settings()).output.hasPrefix("no client"))

            let forced = try await TallyProcess.run(node.withRedis + ["--force"], settings: deployment.settings())
            #expect(forced.exit == .code(0), "\(forced)")
            #expect(
                try await deployment.countedInStore(clients: ["acme"]) == [self.counter("acme", "cta", "A"): 1])
        }

        @Test("fields and keys may be called otherwise")
        func names() async throws {
            let node = try await NodeService()
            try await node.insert("acme", [["_id": "x", "experiment": "cta", "hits": ["A": 5]]])
            try await node.insert("beta", [["_id": "x", "experiment": "cta", "hits": ["A": 6]]])
            try await node.redis.command(["SET", "ab/A/acme/cta", "2"])
            let deployment = try await Deployment.start(.embedded)
            let (exit, output) = try await TallyProcess.run(
                node.withRedis + [
                    "--node-keys", "ab/{variation}/{client}/{test}", "--node-test-field", "experiment",
                    "--node-variations-field", "hits", "--client", "acme",
                ], settings: deployment.settings())
            #expect(exit == .code(0), "\(output)")
            #expect(
                try await deployment.countedInStore(clients: ["acme", "beta"]) == [self.counter("acme", "cta", "A"): 7])
        }

        @Test("tally's own database, whatever it is called, is not taken for the Node service's")
        func sameDatabase() async throws {
            let node = try await NodeService()
            try await node.insert("acme", [["_id": "cta", "variations": ["A": 1]]])
            let settings = [
                "MONGODB_URI": "mongodb://localhost:\(node.mongo.port)/\(node.database)?directConnection=true"
            ]
            let same = try await TallyProcess.run(node.arguments, settings: settings)
            #expect(same.exit == .code(78) && same.output.contains("name the same database"), "\(same)")

            let deployment = try await Deployment.start(.mongoDB)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            #expect(
                try await TestConnection.once(port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=B")
                    .status == 200)
            try await deployment.flush(tally)
            let uri = try #require(deployment.mongo).uri(database: deployment.database)
            let other = try await Deployment.start(.embedded)
            let own = try await TallyProcess.run(
                ["import", "--from-node", "--node-mongodb", uri], settings: other.settings())
            #expect(own.exit == .code(69) && own.output.contains("is tally's own"), "\(own)")
        }

        @Test("a server that is away, and arguments that do not fit, are said")
        func mistakes() async throws {
            let deployment = try await Deployment.start(.embedded)
            for (arguments, code, words) in [
                (["import"], 64, "name a file"), (["import", "--from-node"], 64, "needs --node-mongodb"),
                (["import", "--node-redis", "redis://localhost"], 64, "say that, too"),
                (["import", "x", "--from-node", "--node-redis", "redis://localhost"], 64, "not both"),
                (["import", "--from-node", "--node-redis", "localhost"], 78, "--node-redis does not begin with"),
                (
                    ["import", "--from-node", "--node-mongodb", "localhost"], 78,
                    "--node-mongodb is not a connection string"
                ),
                (
                    ["import", "--from-node", "--node-redis", "redis://127.0.0.1:1"], 69,
                    "cannot reach Redis at 127.0.0.1:1"
                ),
                (
                    ["import", "--from-node", "--node-redis", "redis://localhost", "--node-keys", "{client}:{test}"],
                    64,
                    "--node-keys takes a pattern"
                ),
            ] as [([String], Int32, String)] {
                let (exit, output) = try await TallyProcess.run(arguments, settings: deployment.settings())
                #expect(exit == .code(code) && output.contains(words), "\(arguments): \(output)")
            }
        }
    }
}
