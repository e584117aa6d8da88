import TallyCore
import TallyTestSupport
import Testing

/// A server is away for long. This is mostly waiting, so these run beside each other and beside `Attacks`.
@Suite(.serverLogs) struct Outages {
    @Test(
        "MongoDB is away for many flushes: counting does not notice, and everything arrives",
        arguments: 0..<Torture.rounds(full: 3, short: 1))
    func mongoDB(_ round: Int) async throws {
        let mongo = try await MongoServer.start(replicaSet: true)
        let deployment = try await Deployment.start(round == 1 ? .mongoDB : .redisAndMongoDB, mongo: mongo)
        let tally = try await TallyProcess.start(deployment.settings())
        var books = Books("MongoDB away", deployment)
        var random = chance(books.attack, round)
        let ledger = Ledger()
        let report = try await withTraffic(to: tally, seed: random.next(), pause: .milliseconds(40), ledger) {
            try await flow(ledger, tally, counts: 500)
            try await mongo.kill()
            try await Task.sleep(for: .seconds(Torture.isFull ? 1_800 : 5))
            if Torture.isFull { #expect(try await deployment.pendingCount() > 30) }
            try await flow(ledger, tally, counts: 500)
            try await mongo.restart()
        }
        #expect(report.refused == 0 && report.unanswered == 0)
        try await eventually(
            within: .seconds(300), "what waited to be flushed", log: { String(tally.log.suffix(4_000)) }
        ) {
            try await deployment.pendingCount() == 0
        }
        try await books.check(ledger, tally, round: round, exactly: true)
    }

    @Test(
        "Redis is away: every count is taken meanwhile, and kept", arguments: 0..<Torture.rounds(full: 3, short: 1))
    func redis(_ round: Int) async throws {
        let deployment = try await Deployment.start(.redisAndMongoDB)
        let redis = try #require(deployment.redis)
        let tally = try await TallyProcess.start(deployment.settings())
        var books = Books("Redis away", deployment)
        var random = chance(books.attack, round)
        let ledger = Ledger()
        let meanwhile = Ledger()
        try await withTraffic(to: tally, seed: random.next(), ledger) {
            try await flow(ledger, tally, counts: 500)
            try await redis.kill()
        }
        // Those that were on their way when it went have their answers by now.
        let report = try await withTraffic(to: tally, seed: random.next(), pause: .milliseconds(40), meanwhile) {
            try await Task.sleep(for: .seconds(Torture.isFull ? 300 : 5))
            try await redis.restart()
            try await flow(meanwhile, tally, counts: 500)
        }
        #expect(report.refused == 0 && report.unanswered == 0)
        ledger.record(meanwhile)
        try await books.check(ledger, tally, round: round)
    }
}
