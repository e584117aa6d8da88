import NIOHTTP1
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Access {
        private static let track = "/track?clientName=acme&testID=cta&variation=B"

        @Test("only listed addresses may track and read, each by its own list")
        func lists() async throws {
            let deployment = try await Deployment.start(.embedded)
            var settings = deployment.settings(flush: Deployment.never)
            settings["TRACK_ALLOWED_IPS"] = "10.0.0.0/8"
            let tally = try await TallyProcess.start(settings)
            let connection = try await TestConnection.connect(port: tally.port)
            let refused = try await connection.request(.GET, Self.track)
            #expect(refused.status == 403)
            #expect(try refused.json()["detail"]?.string?.contains("127.0.0.1") == true)
            // X-Forwarded-For counts for nothing without a trusted proxy.
            #expect(
                try await connection.request(.GET, Self.track, headers: ["X-Forwarded-For": "10.1.2.3"]).status == 403)
            #expect(try await connection.request(.GET, "/clients").status == 200)
            #expect(try await connection.request(.HEAD, "/livez").status == 200)
        }

        @Test("a trusted proxy's word is taken from the right")
        func proxies() async throws {
            let deployment = try await Deployment.start(.embedded)
            var settings = deployment.settings(flush: Deployment.never)
            settings["TRUSTED_PROXIES"] = "127.0.0.0/8,10.9.0.0/16"
            settings["TRACK_ALLOWED_IPS"] = "192.0.2.7,2001:db8::/32"
            settings["READ_ALLOWED_IPS"] = "192.0.2.7"
            let tally = try await TallyProcess.start(settings)
            let connection = try await TestConnection.connect(port: tally.port)
            let cases: [([String], Int)] = [
                (["192.0.2.7"], 200), (["198.51.100.1, 192.0.2.7"], 200), (["192.0.2.7, 198.51.100.1"], 403),
                (["192.0.2.7, 10.9.1.1"], 200), (["192.0.2.7", "10.9.1.1"], 200), (["10.9.1.1", "192.0.2.7"], 200),
                (["::ffff:192.0.2.7"], 200), (["2001:db8::1"], 200), (["2001:db9::1"], 403), (["192.0.2.7,"], 403),
                (["192.0.2.7, nonsense"], 403), (["nonsense, 192.0.2.7"], 200), ([""], 403), (["192.0.2.007"], 403),
            ]
            for (lines, expected) in cases {
                var headers = HTTPHeaders()
                for line in lines { headers.add(name: "X-Forwarded-For", value: line) }
                let response = try await connection.request(.GET, Self.track, headers: headers)
                #expect(response.status == expected, "\(lines): \(response.text)")
            }
            #expect(
                try await connection.request(.GET, "/clients", headers: ["X-Forwarded-For": "192.0.2.7"]).status == 200)
            #expect(
                try await connection.request(.GET, "/clients", headers: ["X-Forwarded-For": "192.0.2.8"]).status == 403)
            // Health is for anyone, its reasons are not.
            let health = try await connection.request(.GET, "/readyz", headers: ["X-Forwarded-For": "192.0.2.8"])
            #expect(health.status == 200)
            #expect(health.body.isEmpty)
            try await deployment.flush(tally)
            let counted = try await deployment.countedInStore(clients: ["acme"])
            #expect(counted.values.reduce(0, +) == Int64(cases.count { $0.1 == 200 }))
        }
    }
}
