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
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let connection = try await TestConnection.connect(port: tally.port, timeout: .seconds(60))
            var random = SplitMix64(seed: Torture.seed)

            /// A request of items whose tests are all new; one more than the bound, so it is refused as a whole.
            func flood(_ items: Int) async throws -> Int {
                let body = (0..<items).map { _ in
                    #"{"clientName":"acme","testID":"\#(String(random.next(), radix: 36))","variation":"A"}"#
                }.joined(separator: ",")
                return try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/json"], body: "[\(body)]"
                ).status
            }

            // What the bound allows is taken: 1,000 tests for a client.
            #expect(try await flood(1_000) == 200)
            let names = Torture.rounds(full: 10_000_000, short: 50_000)
            var sent = 0
            func size() async throws -> (redis: Int64, tally: Int, file: Int64) {
                let info = try await deployment.redis?.command(["INFO", "memory"]).text ?? ""
                let used = info.split(separator: "\r\n").first { $0.hasPrefix("used_memory:") }
                let file = deployment.dataDirectory().appendingPathComponent("tally.sqlite").path
                let attributes = try? FileManager.default.attributesOfItem(atPath: file)
                return (
                    used.flatMap { Int64($0.dropFirst("used_memory:".count)) } ?? 0,
                    try ProcessMemory.residentBytes(of: try #require(tally.pid)),
                    (attributes?[.size] as? Int64) ?? 0
                )
            }
            // The first tenth warms up what is kept for reuse.
            while sent < names / 10 {
                #expect(try await flood(1_000) == 422)
                sent += 1_000
            }
            let before = try await size()
            while sent < names {
                guard try await flood(1_000) == 422 else {
                    Issue.record("a request with new names past the bound was not refused after \(sent) names")
                    return
                }
                sent += 1_000
            }
            let after = try await size()
            #expect(after.redis - before.redis < 1_000_000, "Redis grew by \(after.redis - before.redis) bytes")
            #expect(after.tally - before.tally < 8_000_000, "tally grew by \(after.tally - before.tally) bytes")
            #expect(after.file == before.file, "the file grew by \(after.file - before.file) bytes")
            try await deployment.flush(tally)
            #expect(try await deployment.countedInStore(clients: ["acme"]).count == 1_000)
            // Names that are known are counted all the same.
            let known = try #require(try await deployment.countedInStore(clients: ["acme"]).keys.first)
            #expect(
                try await connection.request(.GET, "/track?clientName=acme&testID=\(known.test)&variation=A").status
                    == 200)
        }
    }
}
