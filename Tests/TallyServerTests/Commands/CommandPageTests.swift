import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// docs/commands.md shows what the commands answer. Here they are run as they stand there, one after the other, and
    /// held against it; `TALLY_UPDATE_EXAMPLES=1` writes down what they answer now.
    @Suite struct CommandsPage {
        private static let file = MadeDocument.file("docs/commands.md")

        @Test("the commands of docs/commands.md answer as the page shows")
        func page() async throws {
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

            // What differs from machine to machine, as the page calls it.
            let places = [
                ("mongodb://127.0.0.1:27017/abtests", node.uri(database: nodeDatabase)),
                ("redis://127.0.0.1:6379", nodeRedis.url), ("8080", String(tally.port)),
            ]
            let page = try String(contentsOf: Self.file, encoding: .utf8)
            var lines: [String] = []
            var columns: Int?
            var isInBlock = false
            var ran = 0
            for line in page.components(separatedBy: "\n") {
                switch (isInBlock, line) {
                case (false, _):
                    lines.append(line)
                    isInBlock = line.hasPrefix("```console")
                    columns = line == "```console terminal" ? 80 : nil
                case (true, "```"):
                    lines.append(line)
                    isInBlock = false
                case (true, _) where line.hasPrefix("$ "):
                    lines.append(line)
                    let command = places.reduce(String(line.dropFirst(2))) {
                        $0.replacingOccurrences(of: $1.0, with: $1.1)
                    }
                    let output = try await tally.shell(
                        command, settings: ["PORT": String(tally.port), "NO_COLOR": "1"], columns: columns
                    ).output
                    ran += 1
                    let shown = places.reduce(self.general(output)) { $0.replacingOccurrences(of: $1.1, with: $1.0) }
                    lines += shown.replacing(/[ \t]+\n/, with: "\n").components(separatedBy: "\n")
                    while lines.last == "" { lines.removeLast() }
                default: break  // what the page shows
                }
            }
            let now = lines.joined(separator: "\n")
            #expect(ran > 20)
            if MadeDocument.isRewritten {
                try Data(now.utf8).write(to: Self.file)
            } else {
                let first = zip(page.components(separatedBy: "\n"), lines).enumerated().first { $1.0 != $1.1 }
                if let (number, (shown, current)) = first {
                    Issue.record("line \(number + 1) of docs/commands.md shows\n\(shown)\nand it is\n\(current)")
                }
                #expect(
                    now.utf8.elementsEqual(page.utf8),
                    "write it anew with TALLY_UPDATE_EXAMPLES=1 swift test --filter CommandsPage")
            }
        }

        /// Times, sizes and the like, which are other ones each time.
        private func general(_ text: String) -> String {
            text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "2026-11-22T10:00:00Z")
                .replacing(/[\d,]+ bytes/, with: "94,208 bytes")
                .replacing(/[\d.,]+ ([GM]B) free/) { "64.0 \($0.output.1) free" }
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
