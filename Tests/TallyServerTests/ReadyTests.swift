import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Ready {
        @Test("however many ask /readyz while Redis is frozen, it is asked once at a time")
        func frozenRedis() async throws {
            let redis = try await RedisServer.start()
            let tally = try await TallyProcess.start(["REDIS_URL": redis.url, "FLUSH_SCHEDULE": Deployment.never])
            #expect(try await TestConnection.once(port: tally.port, .GET, "/readyz").status == 200)
            try await redis.command(["CONFIG", "RESETSTAT"])
            let clock = ContinuousClock()
            let begin = clock.now
            redis.pause()
            defer { redis.resume() }
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await TestConnection.once(port: tally.port, .GET, "/readyz").status }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let took = clock.now - begin
            redis.resume()
            #expect(statuses == Array(repeating: 503, count: 50))
            var pings = 0
            try await eventually("Redis to have read what was sent to it meanwhile") {
                let statistics = try await redis.command(["INFO", "commandstats"]).text ?? ""
                pings = statistics.firstMatch(of: /cmdstat_ping:calls=(\d+)/).flatMap { Int($0.output.1) } ?? 0
                return pings > 0
            }
            // Each is waited for two seconds: no more than these can have come one after the other.
            #expect(pings <= 1 + Int(took / .seconds(2)), "\(pings) in \(took)")
        }
    }
}
