import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// The servers that tally promises to work with.
    @Suite struct RedisVersions {
        @Test(
            "counts, event IDs, a crash, the flush and the books, on each server",
            arguments: RedisServer.Program.allCases)
        func all(_ program: RedisServer.Program) async throws {
            let redis = try await RedisServer.start(program, appendfsync: .always)
            let deployment = try await Deployment.start(.redis, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let path = "/track?clientName=acme&testID=cta&variation=B"
            func track(_ more: String = "") async throws -> String {
                let answer = try await TestConnection.once(port: tally.port, .GET, path + more)
                return "\(answer.status) \(answer.text)"
            }
            #expect(try await track() == #"200 {"status":"counted"}"#)
            #expect(try await track("&eventID=one") == #"200 {"status":"counted"}"#)
            #expect(try await track("&eventID=one") == #"200 {"status":"duplicate"}"#)
            let lines = """
                {"clientName":"acme","testID":"cta","variation":"A","count":40}
                {"clientName":"acme","testID":"cta","variation":"B","eventID":"two"}
                {"clientName":"acme","testID":"cta","variation":"B","eventID":"two"}
                """
            let batch = try await TestConnection.once(
                port: tally.port, .POST, "/track", headers: ["Content-Type": "application/x-ndjson"],
                body: Array(lines.utf8))
            #expect(batch.text == #"{"status":"counted","accepted":41,"duplicates":1}"#)

            try await redis.kill()
            try await redis.restart()
            try await eventually("Redis to be back", log: { tally.log }) {
                try await TestConnection.once(port: tally.port, .GET, "/readyz").status == 200
            }
            // Into Redis or, for a moment, the spool.
            try await eventually("a count to be taken", log: { tally.log }) {
                try await track() == #"200 {"status":"counted"}"#
            }
            try await deployment.flush(tally)
            let counted = try await deployment.countedInStore(clients: ["acme"])
            #expect(
                counted == [
                    Counter(client: "acme", test: "cta", variation: "A"): 40,
                    Counter(client: "acme", test: "cta", variation: "B"): 4,
                ])
            #expect(try await deployment.audit(tally)["balanced"]?.bool == true)
            let check = try await tally.run(["check"])
            #expect(check.output.contains("Redis"), "\(check.output)")
            #expect(!check.output.contains("AWAY"), "\(check.output)")
        }
    }
}
