import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    /// The machine loses its power: a disk keeps what was synced, and forgets the rest.
    @Suite struct PowerLoss {
        @Test(
            "the power goes under SQLite: what was acknowledged is there",
            arguments: [Deployment.Kind.embedded, .mongoDB])
        func sqlite(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let disk = try FaultyDisk(below: deployment.dataDirectory())
            let tally = try await TallyProcess.start(deployment.settings().merging(disk.environment) { $1 })
            var books = Books("power loss under SQLite, \(kind.rawValue)", deployment)
            let rounds = Torture.rounds(full: 25, short: kind == .embedded ? 2 : 1)
            try await books.strike(tally, rounds: rounds) {
                try await tally.kill()
                try disk.losePower()
                try await tally.restart()
            }
        }

        @Test("the power goes under Redis, appendfsync always: what was acknowledged is there")
        func redis() async throws {
            let redis = try await RedisServer.start(appendfsync: .always, disk: .faulty)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("power loss under Redis", deployment)
            try await books.strike(tally, rounds: Torture.rounds(full: 50, short: 3)) {
                try await self.losePower(redis)
            }
        }

        @Test("a disk that does not sync loses counts under SQLite, and the books show it")
        func forgetfulDisk() async throws {
            let deployment = try await Deployment.start(.embedded)
            let disk = try FaultyDisk(.forgetsSyncs, below: deployment.dataDirectory())
            let tally = try await TallyProcess.start(deployment.settings().merging(disk.environment) { $1 })
            var books = Books("a disk that does not sync", deployment)
            let ledger = Ledger()
            try await count(500, seed: 1, ledger, tally)
            try await tally.kill()
            try disk.losePower()
            try await tally.restart()
            #expect(try await books.violations(ledger, tally).contains { $0.contains("lost") })
        }

        @Test("a Redis that does not sync loses counts, and the books show it")
        func forgetfulRedis() async throws {
            let redis = try await RedisServer.start(appendfsync: .off, disk: .faulty)
            let deployment = try await Deployment.start(.redis, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            var books = Books("a Redis that does not sync", deployment)
            let ledger = Ledger()
            try await count(500, seed: 1, ledger, tally)
            try await self.losePower(redis)
            try await eventually("Redis to be counted into again") {
                let path = "/track?clientName=other&testID=cta&variation=B"
                return try await TestConnection.once(port: tally.port, .GET, path).status == 200
            }
            #expect(try await books.violations(ledger, tally).contains { $0.contains("lost") })
        }

        private func losePower(_ redis: RedisServer) async throws {
            try await redis.kill()
            try #require(redis.disk).losePower()
            try await redis.restart()
        }
    }
}
