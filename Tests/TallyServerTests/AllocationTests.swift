import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// The hot path's allocations, counted from outside by a preloaded library. The counts are those of a debug build,
    /// which allocates more than a release build, and differ by a few from run to run, with how the requests fall into batches:
    /// the bounds lie above that, so what is noticed is a handful more per request, not one.
    @Suite struct Allocations {
        private static let path = "/track?clientName=acme&testID=cta&variation=B"

        @Test("a tracked request allocates 24 times at most of 32 at a time, and 48 alone")
        func perRequest() async throws {
            let library = try PreloadedLibrary(TallyProcess.builtFile("libAllocationCounter.so"))
            let redis = try await RedisServer.start(appendfsync: nil)
            let folder = try TemporaryDirectory("allocations")
            let counter = folder.url.appendingPathComponent("count")
            let tally = try await TallyProcess.start([
                "REDIS_URL": redis.url, "FLUSH_SCHEDULE": Deployment.never, "LOG_LEVEL": "error",
                "LD_PRELOAD": library.path,
                "ALLOCATION_COUNT_FILE": counter.path,
            ])
            let connection = try await TestConnection.connect(port: tally.port)
            /// Allocations for each request, of requests that arrive `together` at a time.
            func measure(together: Int) async throws -> Double {
                let rounds = 2_048 / together
                func run(_ rounds: Int) async throws {
                    for _ in 0..<rounds {
                        try await withThrowingTaskGroup(of: Int.self) { group in
                            for _ in 0..<together {
                                group.addTask { try await connection.request(.GET, Self.path).status }
                            }
                            for try await status in group { #expect(status == 200) }
                        }
                    }
                }
                try await run(rounds / 4)  // until all arrays have grown
                let before = try Self.count(counter)
                try await run(rounds)
                return Double(try Self.count(counter) - before) / Double(rounds * together)
            }
            let alone = try await measure(together: 1)
            let together = try await measure(together: 32)
            print("allocations for each tracked request, debug build: \(alone) alone, \(together) of 32 at a time")
            #expect(alone <= 48)
            #expect(together <= 24)
        }

        private static func count(_ file: URL) throws -> UInt64 {
            try Data(contentsOf: file).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        }
    }
}
