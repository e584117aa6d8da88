import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// Somebody sends names that nobody has seen before, without end.
    @Suite struct NameFlood {
        @Test(
            "random names are refused with 422 past the bounds, and nothing grows with them",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func flood(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            // The connection waits while others send a hundred thousand names.
            let limits = ["MAX_CLIENTS": "1", "IDLE_TIMEOUT_S": "3600"]
            let tally = try await TallyProcess.start(
                deployment.settings(flush: Deployment.never).merging(limits) { $1 })
            let connection = try await TestConnection.connect(port: tally.port, timeout: .seconds(60))
            func post(_ items: [Item]) async throws -> Int {
                try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/json"],
                    body: "[\(items.map(\.json).joined(separator: ","))]"
                ).status
            }

            // What the bounds allow is taken: one client, 1,000 tests, of one of them 100 variations and 20 events.
            var random = SplitMix64(seed: Torture.seed)
            let tests = (1..<1_000).map { _ in Item(test: random.name()) }
            #expect(try await post(tests) == 200)
            #expect(try await post((1...100).map { Item(test: "full", variation: "v\($0)") }) == 200)
            #expect(try await post((1...19).map { Item(test: "full", variation: "v1", event: "e\($0)") }) == 200)
            try await deployment.flush(tally)

            // A thousand at once, and besides some in requests of their own, each of which is looked at in the buffer.
            let names = Torture.rounds(full: 10_000_000, short: 50_000)
            func flood(_ names: Int) async throws -> Bool {
                for number in 0..<(names / 1_000) {
                    let items = (0..<1_000).map { _ in Item.new(number % 4, &random) }
                    guard try await post(items) == 422 else { return false }
                }
                return try await Self.single(names / Torture.rounds(full: 100, short: 20), seed: random.next(), tally)
            }
            func size() async throws -> Size {
                try await Size(of: deployment, #require(tally.pid))
            }
            // What is kept for reuse grows at first.
            #expect(try await flood(names / 10))
            let before = try await size()
            #expect(try await flood(names * 9 / 10))
            let after = try await size()
            if Torture.isFull { print("\(names) new names, \(kind.rawValue): before \(before), after \(after)") }
            #expect(after.redis - before.redis < 1_000_000, "Redis grew by \(after.redis - before.redis) bytes")
            #expect(after.tally - before.tally < 8_000_000, "tally grew by \(after.tally - before.tally) bytes")
            #expect(after.file == before.file, "the file grew by \(after.file - before.file) bytes")
            try await deployment.flush(tally)
            #expect(try await size().mongo == before.mongo)
            #expect(try await deployment.countedInStore(clients: ["acme"]).count == 999 + 100 + 19)
            // Names that are known are counted all the same.
            #expect(try await post([Item(test: "full", variation: "v1")]) == 200)
        }

        /// Sends each name in a request of its own, over several connections.
        /// - Returns: whether all of them were refused.
        private static func single(_ names: Int, seed: UInt64, _ tally: TallyProcess) async throws -> Bool {
            let connections = 16
            return try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<connections {
                    group.addTask {
                        var random = SplitMix64(seed: seed &+ UInt64(index))
                        let connection = try await TestConnection.connect(port: tally.port, timeout: .seconds(60))
                        for number in 0..<(names / connections) {
                            let path = "/track?\(Item.new(number % 4, &random).query)"
                            guard try await connection.request(.GET, path).status == 422 else { return false }
                        }
                        await connection.close()
                        return true
                    }
                }
                return try await group.reduce(true) { $0 && $1 }
            }
        }
    }

    /// A count of names that need no escaping.
    private struct Item {
        var client = "acme"
        var test: String
        var variation = "A"
        var event = "view"

        /// One whose client, test, variation or event nobody has seen.
        static func new(_ kind: Int, _ random: inout SplitMix64) -> Item {
            switch kind {
            case 0: Item(test: random.name())
            case 1: Item(client: "c" + random.name(), test: "full")
            case 2: Item(test: "full", variation: random.name())
            default: Item(test: "full", variation: "v1", event: random.name())
            }
        }

        var json: String {
            #"{"clientName":"\#(self.client)","testID":"\#(self.test)","variation":"\#(self.variation)","event":"\#(self.event)"}"#
        }

        var query: String {
            "clientName=\(self.client)&testID=\(self.test)&variation=\(self.variation)&event=\(self.event)"
        }
    }

    /// What everything takes, in bytes.
    private struct Size: CustomStringConvertible {
        let tally: Int
        var redis: Int64 = 0
        /// What its documents take.
        var mongo: Int64 = 0
        /// With its write-ahead log.
        var file: Int64 = 0

        init(of deployment: Deployment, _ pid: Int32) async throws {
            self.tally = try ProcessMemory.residentBytes(of: pid)
            if let redis = deployment.redis {
                let info = try await redis.command(["INFO", "memory"]).text ?? ""
                let used = info.split(separator: "\r\n").first { $0.hasPrefix("used_memory:") }
                self.redis = used.flatMap { Int64($0.dropFirst("used_memory:".count)) } ?? 0
            }
            if let mongo = deployment.mongo {
                let stats = try await mongo.command(["dbStats": 1], database: deployment.database)
                self.mongo = try #require(stats["dataSize"]?.integer)
            }
            let file = deployment.dataDirectory().appendingPathComponent("tally.sqlite").path
            self.file = ["", "-wal"].reduce(0) {
                $0 + ((try? FileManager.default.attributesOfItem(atPath: file + $1)[.size] as? Int64) ?? 0)
            }
        }

        var description: String {
            "tally \(self.tally), Redis \(self.redis), MongoDB's documents \(self.mongo), file \(self.file)"
        }
    }
}

extension SplitMix64 {
    fileprivate mutating func name() -> String { String(self.next(), radix: 36) }
}
