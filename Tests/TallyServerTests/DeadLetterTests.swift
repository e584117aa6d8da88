import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct DeadLetters {
        @Test(
            "what one document refuses is reported, kept in the books, and moved when the document is mended",
            arguments: [Deployment.Kind.mongoDB, .redisAndMongoDB])
        func refusedAndMended(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let mongo = try #require(deployment.mongo)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await mongo.insert(
                [["_id": "broken", "variations": "by hand"]], database: deployment.database, collection: "acme")
            try await self.count("broken", 5, on: tally)
            try await self.count("fine", 3, on: tally)

            let (exit, output) = try await tally.run(["flush"])
            #expect(exit == .code(0))
            #expect(output.contains("tally flush --dead-letters") && output.contains("broken"), "\(output)")
            #expect(try await self.total("fine", tally) == 3)
            var books = try await deployment.audit(tally)
            #expect(books["balanced"] == .bool(true) && books["deadLettered"]?.integer == 5, "\(books)")
            #expect(books["persisted"]?.integer == 3 && books["pending"]?.integer == 0)

            // A restart ends the embedded buffer's epoch; its letters must not be pruned below.
            try await tally.kill()
            try await tally.restart()
            try await self.count("broken", 2, on: tally)
            try await self.count("fine", 1, on: tally)
            let refused = try await tally.run(["flush", "--dead-letters"])
            #expect(refused.exit == .code(1))
            #expect(refused.output.contains("still refused") && refused.output.contains("broken"), "\(refused.output)")
            #expect(try await self.total("fine", tally) == 4)
            #expect(try await deployment.audit(tally)["deadLettered"]?.integer == 7)

            try await mongo.command(
                ["update": "acme", "updates": [["q": ["_id": "broken"], "u": ["$unset": ["variations": ""]]]]],
                database: deployment.database)
            let moved = try await tally.run(["flush", "--dead-letters"])
            #expect(moved.exit == .code(0), "\(moved.output)")
            #expect(
                moved.output.contains("moved 7 counts in 2 records; 1 document is complete again"), "\(moved.output)")
            #expect(try await self.total("broken", tally) == 7)
            books = try await deployment.audit(tally)
            #expect(books["balanced"] == .bool(true) && books["deadLettered"]?.integer == 0, "\(books)")
            #expect(books["persisted"]?.integer == 11)

            let again = try await tally.run(["flush", "--dead-letters"])
            #expect(again.exit == .code(0) && again.output.contains("dead letters: nothing to move"))
            let (auditExit, table) = try await tally.run(["audit"])
            #expect(auditExit == .code(0), "\(table)")
        }

        @Test("counts that both the total and the hours of a document refuse are told once as counts, once as hours")
        func checked() async throws {
            let deployment = try await Deployment.start(.mongoDB)
            let mongo = try #require(deployment.mongo)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await mongo.command(
                ["create": "acme.hourly", "validator": ["never": ["$exists": true]]], database: deployment.database)
            try await self.count("cta", 5, on: tally)
            try await deployment.flush(tally)
            let hours = try await tally.run(["check", "--quiet"])
            #expect(hours.exit == .code(1) && hours.output.contains("the hours of 5 counts wait"), "\(hours.output)")
            #expect(!hours.output.contains("  5 counts wait"), "\(hours.output)")

            try await mongo.command(
                ["collMod": "acme", "validator": ["never": ["$exists": true]]], database: deployment.database)
            try await self.count("cta", 2, on: tally)
            try await deployment.flush(tally)
            let both = try await tally.run(["check", "--quiet"])
            #expect(both.exit == .code(1) && both.output.contains("  2 counts wait in dead letters"), "\(both.output)")
            #expect(both.output.contains("the hours of 7 counts wait in dead letters"), "\(both.output)")
        }

        private func count(_ test: String, _ counts: Int, on tally: TallyProcess) async throws {
            let response = try await TestConnection.once(
                port: tally.port, .POST, "/track", headers: ["content-type": "application/json"],
                body: Array(#"[{"clientName":"acme","testID":"\#(test)","variation":"B","count":\#(counts)}]"#.utf8))
            #expect(response.status == 200)
        }

        private func total(_ test: String, _ tally: TallyProcess) async throws -> Int64? {
            try await TestConnection.once(port: tally.port, .GET, "/get-metric?clientName=acme&testID=\(test)")
                .json()["tests"]?[0]?["total"]?.integer
        }
    }
}
