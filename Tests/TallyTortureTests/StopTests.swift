import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    @Suite struct Stops {
        @Test(
            "SIGTERM under load: no request without its answer",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func terminated(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("SIGTERM, \(kind.rawValue)", deployment)
            for round in 0..<Torture.rounds(full: 25, short: kind == .embedded ? 1 : 2) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                let report = try await withTraffic(to: tally, seed: random.next(), ledger) {
                    try await flow(ledger, tally)
                    try await random.pause(milliseconds: 0...1_100)
                    #expect(try await tally.terminate(within: .seconds(20)) == 0, "\(tally.log.suffix(4_000))")
                    try await tally.restart()
                    try await flow(ledger, tally)
                }
                #expect(report.unanswered == 0, "\(books.attack), round \(round), TALLY_SEED=\(Torture.seed)")
                try await books.check(ledger, tally, round: round, exactly: true)
            }
        }
    }
}
