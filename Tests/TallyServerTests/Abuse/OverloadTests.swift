import Foundation
import TallyTestSupport
import Testing

extension EndToEnd {
    /// More than can be done: what is accepted is done as fast as ever, the rest is refused at once.
    ///
    /// The buffer is slowed by the bytes that it takes in a second, so that one machine can offer ten times as much.
    @Suite struct Overload {
        private struct Throttled {
            let redis: RedisServer
            let proxy: TCPProxy
            let folder: TemporaryDirectory
            let tally: TallyProcess

            static let counters = Torture.rounds(full: 10_000, short: 1_000)

            static func start(flush: String = Deployment.never) async throws -> Throttled {
                let redis = try await RedisServer.start(appendfsync: nil)
                let proxy = try await TCPProxy.start(to: redis.port)
                let folder = try TemporaryDirectory("overload")
                let tally = try await TallyProcess.start([
                    "REDIS_URL": redis.url(port: proxy.port), "FLUSH_SCHEDULE": flush, "LOG_LEVEL": "error",
                    "DATA_DIR": folder.path, "MAX_VARIATIONS_PER_TEST": "50",
                ])
                return Throttled(redis: redis, proxy: proxy, folder: folder, tally: tally)
            }

            func load(_ connections: Int) -> LoadGenerator {
                LoadGenerator.tracking(port: self.tally.port, connections: connections, counters: Self.counters)
            }

            /// In KiB.
            var memory: Int {
                get throws {
                    guard let pid = self.tally.pid else { throw TestSupportError("tally has ended: \(self.tally.log)") }
                    return try ProcessMemory.residentBytes(of: pid) / 1_024
                }
            }

            /// What lies in the store in the end.
            func total() async throws -> Int {
                self.proxy.clientBytesPerSecond = nil
                let (exit, output) = try await self.tally.run(["flush"])
                guard exit == .code(0) else { throw TestSupportError(output) }
                let answer = try await TestConnection.once(port: self.tally.port, .GET, "/clients")
                return try Int(answer.json()["clients"]?[0]?["total"]?.integer ?? 0)
            }
        }

        /// `make test` runs a debug build, on processors that others use as well: the figures are held in `make torture`,
        /// and here what tells a short queue from one that grows.
        @Test("at many times its capacity it does as much as it can, soon, and says no to the rest at once")
        func manyTimes() async throws {
            let throttled = try await Throttled.start()
            // All counters once: what is new is looked at twice.
            var counted = try await throttled.load(64).run(
                perSecond: 4_000, for: .seconds(Torture.rounds(full: 3, short: 1))
            ).counted
            throttled.proxy.clientBytesPerSecond = Torture.rounds(full: 90_000, short: 15_000)
            // So many callers that the buffer is never without work, and so few that nobody is refused.
            let capacity = try await throttled.load(Torture.rounds(full: 150, short: 60)).run(
                perSecond: nil, for: .seconds(Torture.rounds(full: 10, short: 2)))
            counted += capacity.counted
            print("capacity: \(Int(capacity.goodput)) a second, p99 \(Int(capacity.milliseconds(at: 0.99))) ms")
            // Once through it, so that arrays have grown and connections were made.
            counted += try await throttled.load(800).run(
                perSecond: capacity.goodput * 10, for: .seconds(Torture.rounds(full: 5, short: 1))
            ).counted
            for times in Torture.isFull ? [2.0, 5.0, 10.0] : [5.0] {
                let before = try throttled.memory
                let report = try await throttled.load(800).run(
                    perSecond: capacity.goodput * times, for: .seconds(Torture.rounds(full: 60, short: 3)))
                let after = try throttled.memory
                counted += report.counted
                print(
                    "\(Int(times)) times: offered \(Int(Double(report.sent) / report.seconds)) a second, goodput "
                        + "\(Int(report.goodput)) (\(Int(report.goodput / capacity.goodput * 100)) % of capacity), "
                        + "p50 \(Int(report.milliseconds(at: 0.5))) ms, p99 \(Int(report.milliseconds(at: 0.99))) ms; "
                        + "\(report.refused) refused, p99 \(Int(report.millisecondsToRefuse(at: 0.99))) ms; "
                        + "\(report.withheld) not sent, memory \(before) to \(after) KiB")
                #expect(report.refused > 0)
                #expect(report.lost == 0 && report.others.isEmpty, "\(report.losses), \(report.others)")
                #expect(after - before < 8 * 1024, "memory grows with what is refused")
                if Torture.isFull {
                    #expect(report.goodput >= capacity.goodput * 0.9)
                    #expect(report.milliseconds(at: 0.99) <= 250)
                    #expect(report.millisecondsToRefuse(at: 0.99) <= 250)
                    // The offer was one.
                    #expect(report.withheld < report.sent / 10)
                } else {
                    // Were there a queue, all 800 would wait in it, and nobody be refused.
                    #expect(report.refused > report.counted)
                }
            }
            // And not one of them is lost, or counted twice, or counted though refused.
            #expect(try await throttled.total() == counted)
        }

        @Test("when the overload ends, nobody is refused any more")
        func recovers() async throws {
            let throttled = try await Throttled.start()
            throttled.proxy.clientBytesPerSecond = 30_000
            let overloaded = try await throttled.load(400).run(perSecond: 2_000, for: .seconds(1))
            #expect(overloaded.refused > 0)
            throttled.proxy.clientBytesPerSecond = nil
            try await eventually("a second without a refusal") {
                try await throttled.load(64).run(perSecond: 500, for: .seconds(1)).refused == 0
            }
        }

        @Test(
            "half an hour at half load, flushed every minute: memory does not grow",
            .enabled(if: Torture.isFull, "only in torture"), .timeLimit(.minutes(45)))
        func soak() async throws {
            let throttled = try await Throttled.start(flush: "* * * * *")
            throttled.proxy.clientBytesPerSecond = 90_000
            let capacity = try await throttled.load(60).run(perSecond: nil, for: .seconds(10))
            let load = throttled.load(64)
            var counted = capacity.counted
            counted += try await load.run(perSecond: capacity.goodput / 2, for: .seconds(300)).counted
            let warm = try throttled.memory
            print("soak: \(Int(capacity.goodput / 2)) a second, \(warm) KiB after five minutes")
            for minute in 1...30 {
                let report = try await load.run(perSecond: capacity.goodput / 2, for: .seconds(60))
                counted += report.counted
                #expect(report.lost == 0 && report.refused == 0 && report.others.isEmpty, "minute \(minute)")
                print(
                    "soak: minute \(minute), \(report.counted) counted, p99 \(Int(report.milliseconds(at: 0.99))) ms, "
                        + "\(try throttled.memory) KiB")
            }
            #expect(try (throttled.memory - warm) * 1_024 < 1_000_000)
            #expect(try await throttled.total() == counted)
        }
    }
}
