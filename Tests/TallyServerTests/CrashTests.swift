import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Crashes {
        @Test(
            "the service is killed twenty times under traffic, and no acknowledged count is lost or doubled",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func serviceKilled(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings())
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(
                .init(seed: 21, connections: 8, counts: .max, counters: 200, reconnectsWithin: .seconds(60)),
                ledger: ledger)
            var random = SplitMix64(seed: 22)
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                for _ in 0..<20 {
                    let before = ledger.total.acknowledged
                    try await eventually(within: .seconds(30), "traffic to flow again") {
                        ledger.total.acknowledged > before
                    }
                    // A random moment, not a wait for something: the flush, a commit, an answer under way.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...250, using: &random)))
                    try await tally.kill()
                    try await tally.restart()
                }
                stop.stop()
                return try await group.next() ?? .init()
            }
            #expect(report.surprises.isEmpty)
            #expect(report.reconnects >= 20)
            #expect(try await deployment.violations(ledger, tally, exactly: false) == [])
        }
    }
}
