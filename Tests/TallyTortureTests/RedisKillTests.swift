import TallyCore
import TallyTestSupport
import Testing

extension ServerAttacks {
    @Suite struct RedisKills {
        @Test("redis-server is killed under traffic (appendfsync always), and nothing acknowledged is lost")
        func always() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("kill -9 of Redis, always", deployment)
            try await books.strike(tally, rounds: Torture.rounds(full: 50, short: 3)) {
                try await redis.kill()
                try await redis.restart()
            }
            #expect(tally.log.contains("event=redis_rewriting"))
        }

        /// What `everysec` promises (docs/architecture.md): what was acknowledged two seconds before is kept, even where
        /// the power goes; and whatever is lost, nothing is counted twice.
        @Test(
            "redis-server is killed, or loses its power (appendfsync everysec), and loses two seconds at most",
            .enabled(if: Torture.isFull, "each round takes several seconds; TALLY_TORTURE=1 runs them"),
            arguments: [false, true])
        func everysec(_ losesPower: Bool) async throws {
            let redis = try await RedisServer.start(appendfsync: .everysec, disk: .faulty)
            let disk = try #require(redis.disk)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("\(losesPower ? "power loss" : "kill -9") of Redis, everysec", deployment)
            for round in 0..<25 {
                var random = chance(books.attack, round)
                let kept = Ledger()
                let window = Ledger()
                try await withTraffic(to: tally, seed: random.next(), kept) {
                    try await random.pause(milliseconds: 100...1_500)
                }
                try await withTraffic(to: tally, seed: random.next(), window) {
                    try await random.pause(milliseconds: 2_000...3_500)
                    try await redis.kill()
                    if losesPower { try disk.losePower() }
                    try await redis.restart()
                }
                try await count(200, seed: random.next(), kept, tally)
                kept.recordAsUncertain(window)
                try await books.check(kept, tally, round: round)
            }
        }

        /// The store must not run ahead of Redis: what it has, and Redis has forgotten with its event IDs, would be counted
        /// again when its sender, who had no answer, sends it again.
        @Test(
            "what the store shows Redis still knows, with its event IDs, when the power goes (appendfsync everysec)",
            .enabled(if: Torture.isFull, "each round takes several seconds; TALLY_TORTURE=1 runs them"))
        func storeIsNotAhead() async throws {
            let redis = try await RedisServer.start(appendfsync: .everysec, disk: .faulty)
            let disk = try #require(redis.disk)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("power loss of Redis, everysec, all sent again", deployment)
            for round in 0..<20 {
                var random = chance(books.attack, round)
                // Whoever sends it twice sends the same, IDs included.
                let plan = TrafficGenerator.Plan(
                    seed: random.next(), connections: 4, counts: 200, counters: 50, eventIDs: true,
                    reconnectsWithin: .seconds(60))
                let unheard = Ledger()
                let heard = Ledger()
                try await TrafficGenerator(plan, ledger: unheard).run(port: tally.port)
                try await eventually(within: .seconds(60), "the store to have it", log: { tally.log }) {
                    try await books.isStored(unheard)
                }
                try await redis.kill()
                try disk.losePower()
                try await redis.restart()
                try await TrafficGenerator(plan, ledger: heard).run(port: tally.port)
                try await books.check(heard, tally, round: round, exactly: true)
            }
        }
    }
}
