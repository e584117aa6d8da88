import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Healthchecks {
        @Test("tally healthcheck exits 0 where the service is ready, else 1 with a line that says why")
        func healthcheck() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let ready = try await tally.run(["healthcheck"])
            #expect(ready.exit == .code(0) && ready.output == "ready\n", "\(ready)")
            // Listening everywhere, it is asked on loopback.
            #expect(try await tally.run(["healthcheck", "--host", "0.0.0.0"]).exit == .code(0))

            try await redis.kill()
            let away = try await tally.run(["healthcheck", "--timeout", "20"])
            #expect(away.exit == .code(1))
            #expect(away.output.hasPrefix("tally: not ready: it answered with 503") && away.output.contains("redis"))
            #expect(away.output.split(separator: "\n").count == 1, "\(away.output)")

            tally.pause()
            let frozen = try await tally.run(["healthcheck", "--timeout", "1"])
            #expect(frozen.exit == .code(1) && frozen.output.contains("no answer within 1 s"), "\(frozen)")
            tally.resume()

            try await tally.kill()
            let gone = try await tally.run(["healthcheck"])
            #expect(gone.exit == .code(1) && gone.output.contains("is the service running?"), "\(gone)")
            #expect(try await tally.run(["healthcheck", "--timeout", "0"]).exit == .code(64))
            #expect(try await tally.run(["healthcheck", "--port", "0"]).exit == .code(78))
        }

        @Test("tally ip explain says who gets in, by the settings of the service")
        func explain() async throws {
            let settings = ["TRACK_ALLOWED_IPS": "203.0.113.0/24", "TRUSTED_PROXIES": "10.0.0.2"]
            let direct = try await TallyProcess.run(["ip", "explain", "203.0.113.9"], settings: settings)
            #expect(direct.exit == .code(0))
            #expect(
                direct.output.contains("203.0.113.9 calls directly")
                    && direct.output.contains("calls through a trusted proxy"))
            #expect(direct.output.contains("let in by 203.0.113.0/24 of TRACK_ALLOWED_IPS"), "\(direct.output)")
            let forged = try await TallyProcess.run(
                ["ip", "explain", "198.51.100.1", "--forwarded-for", "203.0.113.9"], settings: settings)
            #expect(forged.output.contains("kept out with 403") && !forged.output.contains("let in by"))
            let bad = try await TallyProcess.run(["ip", "explain", "300.1.1.1"], settings: settings)
            #expect(bad.exit == .code(64) && bad.output.contains("is no IPv4 or IPv6 address"))
        }
    }
}
