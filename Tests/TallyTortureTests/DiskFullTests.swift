import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    @Suite struct DiskFull {
        @Test("the disk under SQLite is full: 503, and everything acknowledged is kept")
        func sqlite() async throws {
            for round in 0..<Torture.rounds(full: 5, short: 1) {
                // A new file each time: an old one has room within itself.
                let deployment = try await Deployment.start(.embedded)
                let disk = try FaultyDisk(below: deployment.dataDirectory())
                let tally = try await TallyProcess.start(deployment.settings().merging(disk.environment) { $1 })
                var books = Books("disk full under SQLite", deployment)
                var random = chance(books.attack, round)
                let ledger = Ledger()
                try await withTraffic(to: tally, seed: random.next(), counters: 2_000, ledger) {
                    try await flow(ledger, tally)
                    try disk.setSpace(bytes: Int64.random(in: 0...30_000, using: &random))
                    try await eventually(within: .seconds(60), "refusals") { ledger.total.refused > 200 }
                    #expect(try await TestConnection.once(port: tally.port, .GET, "/livez").status == 200)
                    if Bool.random(using: &random) {
                        // What it has written while there was no room must not count.
                        try await tally.kill()
                        try disk.setSpace(bytes: .max)
                        try await tally.restart()
                    }
                    try disk.setSpace(bytes: .max)
                    try await flow(ledger, tally, counts: 200)
                }
                try await books.check(ledger, tally, round: round)
            }
        }

        @Test(
            "the disk under Redis is full: what cannot be kept is refused",
            arguments: [RedisServer.Fsync.always, .everysec])
        func redis(_ fsync: RedisServer.Fsync) async throws {
            let redis = try await RedisServer.start(appendfsync: fsync, disk: .faulty)
            let disk = try #require(redis.disk)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("disk full under Redis, \(fsync.rawValue)", deployment)
            for round in 0..<Torture.rounds(full: 5, short: 1) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                try await withTraffic(to: tally, seed: random.next(), ledger) {
                    try await flow(ledger, tally)
                    try disk.setSpace(bytes: Int64.random(in: 0...100_000, using: &random))
                    // With `always` Redis ends itself; with `everysec` it takes no writes.
                    try await eventually(within: .seconds(60), "Redis to notice") {
                        if !redis.isRunning { return true }
                        return try await redis.command(["SET", "room", "1"]).isError
                    }
                    try await random.pause(milliseconds: 100...500)
                    try disk.setSpace(bytes: .max)
                    if !redis.isRunning { try await redis.restart() }
                    try await flow(ledger, tally, counts: 200)
                }
                try await books.check(ledger, tally, round: round)
            }
        }
    }
}
