import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Names {
        /// Names that somebody's software has stumbled over.
        static let good = [
            "\u{E9}", "e\u{301}", "a.b", "$inc", "$", ".", "..", "__proto__", "constructor", "%2E", "%", "+", "a b",
            "\u{1F44D}\u{1F3FD}",
            "\u{202E}abc", "\u{A0}x", "\"", "\\", "'", "{}", "[0]", "<script>", "null", "0", "-1", "1.5", "a,b", "a;b",
            "a&b=c", "#",
            "\u{FEFF}x", "applied", "_id", "total", String(repeating: "x", count: 64),
            String(repeating: "\u{1F600}", count: 16),
        ]
        static let bad = [
            "", " a", "a ", "a\tb", "a\nb", "\u{0}", "a\u{0}b", "\u{7F}", "\u{85}", String(repeating: "x", count: 65),
            String(repeating: "\u{1F600}", count: 16) + "x",
        ]

        @Test(
            "names that hurt go through every form and come back as they were",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func roundTrip(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let ledger = Ledger()
            let connection = try await TestConnection.connect(port: tally.port)
            for form in TrackForm.allCases {
                for name in Self.good {
                    for counter in [
                        Counter(client: "hurt", test: Name(name), variation: "B"),
                        Counter(client: "hurt", test: "cta", variation: Name(name)),
                        Counter(client: "hurt", test: Name("events-\(form.rawValue)"), variation: "A", event: "buy"),
                        Counter(client: "hurt", test: Name(name), variation: Name(name), event: "buy"),
                    ] {
                        let request = TrackRequest(form, [.init(counter, 1)])
                        let response = try await connection.request(
                            request.method, request.path, headers: request.headers, body: request.body)
                        #expect(response.status == 200, "\(form) \(counter): \(response.text)")
                        ledger.recordAcknowledged(counter)
                    }
                }
            }
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
        }

        @Test("names that are none are refused in every form, and nothing is counted")
        func refused() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let connection = try await TestConnection.connect(port: tally.port)
            for form in TrackForm.allCases {
                for name in Self.bad {
                    for counter in [
                        Counter(client: "hurt", test: Name(name), variation: "B"),
                        Counter(client: "hurt", test: "cta", variation: Name(name)),
                        Counter(client: "hurt", test: "cta", variation: "B", event: Name(name)),
                    ] {
                        let request = TrackRequest(form, [.init(counter, 1)])
                        let response = try await connection.request(
                            request.method, request.path, headers: request.headers, body: request.body)
                        #expect(response.status == 400, "\(form) \(JSONValue.quoted(name)): \(response.text)")
                        #expect(response.header("content-type") == "application/problem+json")
                    }
                }
                for client in ["tally", "system", "a.b", "é", "", "_a", String(repeating: "x", count: 65)] {
                    let request = TrackRequest(
                        form, [.init(Counter(client: Name(client), test: "cta", variation: "B"), 1)])
                    let response = try await connection.request(
                        request.method, request.path, headers: request.headers, body: request.body)
                    #expect(response.status == 400, "\(form) client \(client)")
                }
            }
            try await deployment.flush(tally)
            #expect(try await TestConnection.once(port: tally.port, .GET, "/get-metric?clientName=hurt").status == 404)
        }
    }
}
