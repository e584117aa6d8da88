import Foundation
import GRDB
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct ExportAndImport {
        @Test(
            "what is exported from one store is the same in the other, hour by hour, and repeated adds nothing",
            arguments: [(Deployment.Kind.embedded, Deployment.Kind.mongoDB), (.mongoDB, .embedded)])
        func roundTrip(_ from: Deployment.Kind, _ into: Deployment.Kind) async throws {
            let source = try await Deployment.start(from)
            let tally = try await TallyProcess.start(source.settings(flush: Deployment.never))
            let ledger = Ledger()
            let traffic = TrafficGenerator(
                .init(seed: 91, connections: 4, counts: 600, counters: 60, clients: 2), ledger: ledger)
            #expect(try await traffic.run(port: tally.port).surprises.isEmpty)
            let odd: Name = "a \"quoted\", é日🎉 .$ name"
            let counter = Counter(client: ledger.clients[0], test: odd, variation: odd, event: odd)
            let item = JSONText.string(odd.string)
            #expect(
                try await TestConnection.once(
                    port: tally.port, .POST, "/track", headers: ["content-type": "application/json"],
                    body: Array(
                        #"{"clientName":"\#(counter.client)","testID":\#(item),"variation":\#(item),"event":\#(item)}"#
                            .utf8)
                ).status == 200)
            ledger.recordAcknowledged(counter)
            try await source.flush(tally)

            let target = try await Deployment.start(into)
            for (index, client) in ledger.clients.enumerated() {
                let form = index == 0 ? "csv" : "ndjson"
                let (exit, text) = try await tally.run(["export", client.string, "--format", form])
                #expect(exit == .code(0))
                let file = target.folder.url.appendingPathComponent("\(client).\(form)").path
                try Data(text.utf8).write(to: URL(fileURLWithPath: file))
                let settings = target.settings()
                let dry = try await TallyProcess.run(["import", file, "--dry-run"], settings: settings)
                #expect(dry.exit == .code(0) && dry.output.hasPrefix("would add "), "\(dry)")
                let first = try await TallyProcess.run(["import", file], settings: settings)
                #expect(first.exit == .code(0) && first.output.hasPrefix("imported "), "\(first)")
                let again = try await TallyProcess.run(["import", file], settings: settings)
                #expect(again.exit == .code(0) && again.output.contains("nothing was added"), "\(again)")
                let back = try await TallyProcess.run(["export", client.string, "--format", form], settings: settings)
                #expect(back.exit == .code(0) && back.output == text)
            }
            #expect(
                try await ledger.check(counted: target.countedInStore(clients: ledger.clients), exactly: true) == [])

            // A label makes it another import; so does another client.
            let client = ledger.clients[0].string
            let file = target.folder.url.appendingPathComponent("\(client).csv").path
            for arguments in [["--label", "again"], ["--client", "copy"]] {
                #expect(
                    try await TallyProcess.run(["import", file] + arguments, settings: target.settings()).exit
                        == .code(0))
            }
            let counted = try await target.countedInStore(clients: ledger.clients + ["copy"])
            for (counter, entry) in ledger.entries where counter.client.string == client {
                #expect(counted[counter] == 2 * entry.acknowledged)
                let copy = Counter(
                    client: "copy", test: counter.test, variation: counter.variation, event: counter.event)
                #expect(counted[copy] == entry.acknowledged)
            }
            let audit = try await TallyProcess.run(["audit"], settings: target.settings())
            #expect(audit.exit == .code(0), "\(audit)")
        }

        @Test(
            "an import that is killed is repeated and counts once; another one does not go ahead of it",
            arguments: [Deployment.Kind.embedded, .mongoDB])
        func interrupted(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let settings = deployment.settings(flush: Deployment.never)
            let tally = try await TallyProcess.start(settings)
            // Counted by the service meanwhile, into the same documents.
            let ledger = Ledger()
            var lines = ["clientName,testID,variation,event,hour,count"]
            for hour in 0..<400 {
                let moment = Timestamp.iso8601(1_795_305_600 - Int64(hour) * 3600)
                for test in 0..<3 {
                    lines.append("acme,t\(test),B,view,\(moment),\(hour + 1)")
                    ledger.recordAcknowledged(
                        Counter(client: "acme", test: Name("t\(test)"), variation: "B", event: .view), Int64(hour + 1))
                }
            }
            lines.append("acme,t0,B,view,,7")
            ledger.recordAcknowledged(Counter(client: "acme", test: "t0", variation: "B", event: .view), 7)
            let file = deployment.folder.url.appendingPathComponent("acme.csv").path
            try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: file))
            let other = deployment.folder.url.appendingPathComponent("other.csv").path
            try Data((lines[0] + "\nacme,t0,B,view,,1").utf8).write(to: URL(fileURLWithPath: other))

            // Of 401 batches.
            var before = 0
            for passing in [5, 60, 140] {
                try await tally.run(["import", file], dyingAt: .midImport, passing: passing)
                let now = try await self.finished(deployment)
                #expect(now == before + passing)
                before = now
                try await self.count(ledger, tally)
            }
            let ahead = try await tally.run(["import", other])
            #expect(ahead.exit == .code(1) && ahead.output.contains("left unfinished"), "\(ahead)")
            let rest = try await tally.run(["import", file])
            #expect(rest.exit == .code(0) && rest.output.contains("goes on after "), "\(rest)")
            #expect(try await tally.run(["import", file]).output.contains("nothing was added"))
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
            #expect(try await deployment.audit(tally)["balanced"] == .bool(true))
            let hours = try await tally.run(["export", "acme"])
            #expect(hours.exit == .code(0), "\(hours.output.suffix(300))")
        }

        @Test("what is wrong is said with line, consequence and exit code")
        func faults() async throws {
            let deployment = try await Deployment.start(.embedded)
            let file = deployment.folder.url.appendingPathComponent("bad.csv").path
            try Data("clientName,testID,variation,count\nacme,cta,B,1\nacme,cta,B,none\n".utf8)
                .write(to: URL(fileURLWithPath: file))
            let bad = try await TallyProcess.run(["import", file], settings: deployment.settings())
            #expect(bad.exit == .code(1))
            #expect(bad.output.contains("nothing of \(file) was imported") && bad.output.contains("line 3: count"))
            let unknown = try await TallyProcess.run(["export", "acme"], settings: deployment.settings())
            #expect(unknown.exit == .code(1) && unknown.output.contains("nothing was ever flushed"))
            #expect(
                try await TallyProcess.run(["import", "/not/there"], settings: deployment.settings()).exit == .code(64))
            #expect(try await TallyProcess.run(["export", "ac.me"], settings: deployment.settings()).exit == .code(64))
        }

        private func count(_ ledger: Ledger, _ tally: TallyProcess) async throws {
            let counter = Counter(client: "acme", test: "t1", variation: "B", event: .view)
            #expect(
                try await TestConnection.once(port: tally.port, .GET, "/track?clientName=acme&testID=t1&variation=B")
                    .status == 200)
            ledger.recordAcknowledged(counter)
            #expect(try await tally.run(["flush"]).exit == .code(0))
        }

        /// The batches of the import that are finished, read without tally.
        private func finished(_ deployment: Deployment) async throws -> Int {
            if let mongo = deployment.mongo {
                let epochs = try await mongo.documents(database: deployment.database, collection: "tally.epochs")
                let own = epochs.first { $0["buffer"]?.string?.hasPrefix("import at ") == true }
                return Int(own?["lastNumber"]?.integer ?? 0)
            }
            let path = deployment.dataDirectory().appendingPathComponent("tally.sqlite").path
            return try await DatabaseQueue(path: path).read {
                try Int.fetchOne($0, sql: "SELECT last_number FROM store_epochs WHERE buffer LIKE 'import at %'") ?? 0
            }
        }
    }
}
