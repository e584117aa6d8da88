import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Logs {
        @Test("JSON lines are JSON, and tell of starts, flushes, refusals and, at debug level, each count")
        func jsonLines() async throws {
            let tally = try await TallyProcess.start([
                "LOG_FORMAT": "json", "LOG_LEVEL": "debug", "FLUSH_SCHEDULE": Deployment.everySecond,
            ])
            let connection = try await TestConnection.connect(port: tally.port)
            #expect(
                try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=a%22b").status == 200)
            #expect(try await connection.request(.GET, "/track?clientName=acme").status == 400)
            try await eventually("a flush") {
                try await connection.request(.GET, "/get-metric?clientName=acme").status == 200
            }
            #expect(try await tally.terminate() == 0)
            let lines = try tally.log.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
            func has(_ message: String, _ fields: [String: String] = [:]) -> Bool {
                lines.contains { line in
                    line["message"]?.string?.contains(message) == true
                        && fields.allSatisfy { line[$0.key]?.string == $0.value }
                }
            }
            #expect(has("started", ["buffer": "embedded", "store": "embedded"]))
            #expect(has("tracked", ["client": "acme", "test": "cta", "variation": "a\"b", "address": "127.0.0.1"]))
            #expect(has("request refused", ["status": "400", "address": "127.0.0.1"]))
            #expect(has("moved 1 count of 1 counter into 1 document"))
            #expect(has("stopped"))
            for line in lines { #expect(line["time"]?.string != nil && line["level"]?.string != nil) }
        }

        @Test("a flood of refused requests becomes a few lines and a sum")
        func flood() async throws {
            let tally = try await TallyProcess.start()
            let connection = try await TestConnection.connect(port: tally.port)
            for _ in 0..<2_000 { #expect(try await connection.request(.GET, "/track?clientName=a.b").status == 400) }
            try await eventually("the sum", log: { tally.log }) { tally.log.contains("not logged one by one") }
            #expect(tally.log.split(separator: "\n").count < 200)
        }
    }
}
