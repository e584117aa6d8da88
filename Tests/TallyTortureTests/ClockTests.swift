import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    @Suite struct Clocks {
        @Test(
            "the clock is set an hour forward and back: counts are kept, and the flush goes on",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func setForwardAndBack(_ kind: Deployment.Kind) async throws {
            let redis = kind.usesRedis ? try await RedisServer.start(appendfsync: .always, disk: .faulty) : nil
            let deployment = try await Deployment.start(kind, redis: redis)
            let disk = try FaultyDisk(below: deployment.dataDirectory())
            let tally = try await TallyProcess.start(deployment.settings().merging(disk.environment) { $1 })
            var books = Books("clock, \(kind.rawValue)", deployment)
            for round in 0..<Torture.rounds(full: 10, short: 1) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                let report = try await withTraffic(to: tally, seed: random.next(), ledger) {
                    // Ahead, back to the truth, behind, and back again; the two clocks not at quite the same moment.
                    for seconds: Int64 in [3_600, 0, -3_600, 0] {
                        try await flow(ledger, tally)
                        try disk.setClock(secondsAhead: seconds)
                        try await random.pause(milliseconds: 0...40)
                        try redis?.disk?.setClock(secondsAhead: seconds)
                        try await random.pause(milliseconds: 0...300)
                    }
                    try await flow(ledger, tally)
                }
                #expect(report.unanswered == 0)
                try await eventually(within: .seconds(60), "the flush to go on", log: { tally.log }) {
                    try await deployment.pendingCount() == 0
                }
                try await books.check(ledger, tally, round: round, exactly: true)
            }
        }
    }
}
