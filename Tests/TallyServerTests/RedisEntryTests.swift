import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// The ways into Redis: password, database, TLS.
    @Suite struct RedisEntry {
        /// Without a flush on the minute, which would take away what is looked for.
        private func start(_ settings: [String: String]) async throws -> TallyProcess {
            try await TallyProcess.start(settings.merging(["FLUSH_SCHEDULE": Deployment.never]) { $1 })
        }

        private static let path = "/track?clientName=acme&testID=cta&variation=B"

        @Test("a password with characters of its own, and a database other than 0")
        func passwordAndDatabase() async throws {
            let redis = try await RedisServer.start(password: "p@ss:w/rd %")
            let tally = try await self.start(["REDIS_URL": redis.url + "/3"])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.path).status == 200)
            let space = try #require(try await redis.command(["INFO", "keyspace"]).text)
            #expect(space.contains("db3:") && !space.contains("db0:"))
            #expect(!tally.log.contains("p@ss"))
            #expect(!tally.log.contains("p%40ss"))
        }

        @Test("a user that may touch nothing but the keys of the prefix")
        func user() async throws {
            let redis = try await RedisServer.start()
            _ = try await redis.command(["ACL", "SETUSER", "counter", "on", ">se cret", "~{shop}:*", "+@all"])
            let tally = try await self.start([
                "REDIS_URL": "redis://counter:se%20cret@127.0.0.1:\(redis.port)", "REDIS_KEY_PREFIX": "shop",
            ])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.path).status == 200)
            #expect(try await tally.run(["flush"]).output.contains("moved 1 count"))
        }

        @Test("TLS, with the certificate that is trusted")
        func tls() async throws {
            let redis = try await RedisServer.start(tls: true)
            let file = try #require(redis.caFile)
            let tally = try await self.start(["REDIS_URL": redis.url, "REDIS_CA_FILE": file.path])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.path).status == 200)
            #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "1")
        }

        @Test("a certificate that nobody vouches for is refused, and nothing is counted over it")
        func untrusted() async throws {
            let redis = try await RedisServer.start(tls: true)
            let tally = try await self.start(["REDIS_URL": redis.url])
            // Counted, but in the spool.
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.path).status == 200)
            #expect(try await redis.command(["DBSIZE"]) == .integer(0))
            let ready = try await TestConnection.once(port: tally.port, .GET, "/readyz")
            #expect(ready.status == 503)
            #expect(ready.text.lowercased().contains("certificate"), "\(ready.text)")
        }

        @Test("a wrong password is said by /readyz, and mended by the one that is right")
        func wrongPassword() async throws {
            let redis = try await RedisServer.start(password: "right")
            let tally = try await self.start(["REDIS_URL": "redis://:wrong@127.0.0.1:\(redis.port)"])
            let ready = try await TestConnection.once(port: tally.port, .GET, "/readyz")
            #expect(ready.status == 503)
            #expect(ready.text.contains("REDIS_URL") && !ready.text.contains("wrong@"), "\(ready.text)")
        }
    }
}
