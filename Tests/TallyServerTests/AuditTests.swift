import GRDB
import Logging
import TallyCore
import TallyFlush
import TallyMetrics
import TallySQLite
import TallyTestSupport
import Testing

@testable import TallyServer

extension EndToEnd {
    @Suite struct Audits {
        @Test(
            "the books balance at every moment: under traffic, through flushes, kills and restarts",
            arguments: Deployment.Kind.allCases)
        func balanced(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings())
            let ledger = Ledger()
            for round: UInt64 in 1...3 {
                let stop = TrafficGenerator.StopFlag()
                let traffic = TrafficGenerator(
                    .init(
                        seed: 60 + round, connections: 6, counts: .max, counters: 200, reconnectsWithin: .seconds(60)),
                    ledger: ledger)
                try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                    group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                    for _ in 1...10 {
                        let before = ledger.total.acknowledged
                        try await eventually(within: .seconds(30), "traffic to flow", log: { tally.log }) {
                            ledger.total.acknowledged > before + 100
                        }
                        let books = try await deployment.audit(tally)
                        #expect(books["balanced"] == .bool(true), "\(books)")
                    }
                    try await tally.kill()
                    if round == 2, let redis = deployment.redis {
                        try await redis.kill()
                        try await redis.restart()
                    }
                    try await tally.restart()
                    stop.stop()
                    _ = try await group.next()
                }
                let (exit, output) = try await tally.run(["audit"])
                #expect(exit == .code(0), "\(output)")
            }
            #expect(try await deployment.violations(ledger, tally, exactly: false) == [])
            let books = try await deployment.audit(tally)
            #expect(books["balanced"] == .bool(true), "\(books)")
            #expect(books["pending"]?.integer == 0 && books["deadLettered"]?.integer == 0)
            #expect(books["accepted"] == books["persisted"])
            let stored = try await deployment.countedInStore(clients: ledger.clients)
            #expect(books["persisted"]?.integer == stored.values.reduce(0, +))
        }

        @Test(
            "a count that is lost in the buffer, or in the store's books, is found and said",
            arguments: Deployment.Kind.allCases)
        func tampered(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await self.count(3, on: tally)
            try await deployment.flush(tally)
            try await self.count(2, on: tally)
            let (exit, table) = try await tally.run(["audit"])
            #expect(exit == .code(0), "\(table)")
            #expect(table.contains("balanced") && !table.contains("NOT BALANCED"))

            // Two counts vanish from the live batch.
            if let redis = deployment.redis {
                try await redis.command(["DEL", "{tally}:live"])
            } else {
                try self.change(deployment, "UPDATE buffer_state SET live_total = live_total - 2")
            }
            try await self.expectMismatch("2 too few", deployment, tally)

            // They come back, and the store forgets three.
            if let redis = deployment.redis {
                try await redis.command(["HINCRBY", "{tally}:meta", "accepted", "-2"])
            } else {
                try self.change(deployment, "UPDATE buffer_state SET live_total = live_total + 2")
            }
            #expect(try await deployment.audit(tally)["balanced"] == .bool(true))
            if let mongo = deployment.mongo {
                try await mongo.command(
                    ["update": "tally.epochs", "updates": [["q": [:], "u": ["$inc": ["total": -3]], "multi": true]]],
                    database: deployment.database)
            } else {
                try self.change(deployment, "UPDATE store_epochs SET total = total - 3")
            }
            try await self.expectMismatch("3 too few", deployment, tally)
        }

        private func expectMismatch(_ words: String, _ deployment: Deployment, _ tally: TallyProcess) async throws {
            let (exit, table) = try await tally.run(["audit"])
            #expect(exit == .code(1))
            #expect(table.contains("NOT BALANCED") && table.contains(words), "\(table)")
            let (exitOfJSON, text) = try await tally.run(["audit", "--format", "json"])
            #expect(exitOfJSON == .code(1))
            #expect(try JSONValue(parsing: Array(text.utf8))["balanced"] == .bool(false))
            #expect(try await deployment.audit(tally)["balanced"] == .bool(false))
        }

        @Test(
            "a buffer that was put back to an older copy is balanced, and what it has forgotten is reported as restored"
        )
        func restored() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(
                deployment.settings(flush: Deployment.never).merging(["EVENT_LOOPS": "1"]) { $1 })
            try await self.count(5, on: tally)
            try await redis.terminate()
            let copy = try redis.snapshotData()
            try await redis.restart()
            // Until then they would go to the spool, which forgets nothing.
            try await eventually("the one lane to be back", log: { tally.log }) { tally.log.contains("Redis is back") }
            try await self.count(3, on: tally)
            try await deployment.flush(tally)
            try await redis.kill()
            try redis.restoreData(from: copy)
            try await redis.restart()
            // Of the three counts that the copy does not know, the store has had all. The live batch of the copy holds
            // five of the same number, which the store has already.
            try await self.count(1, on: tally)
            try await deployment.flush(tally)
            let books = try await deployment.audit(tally)
            #expect(books["balanced"] == .bool(true), "\(books)")
            #expect(books["persisted"]?.integer == 9, "\(books)")
            #expect((books["restored"]?.integer ?? 0) + (books["others"]?["accepted"]?.integer ?? 0) >= 3, "\(books)")
        }

        @Test("the books balance when the store moves to MongoDB and back, and say what the other one has")
        func anotherStore() async throws {
            let mongo = try await MongoServer.shared()
            let toMongoDB = ["MONGODB_URI": mongo.uri(database: mongo.uniqueDatabase())]
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never, "EVENT_LOOPS": "1"])
            let embedded = ["DATA_DIR": tally.dataDirectory.path]
            func books(_ store: [String: String]) async throws -> JSONValue {
                let settings = embedded.merging(store) { $1 }
                let (exit, output) = try await TallyProcess.run(["audit", "--format", "json"], settings: settings)
                #expect(exit == .code(0), "\(output)")
                return try JSONValue(parsing: Array(output.utf8))
            }
            func flush(_ store: [String: String]) async throws {
                let (exit, output) = try await TallyProcess.run(["flush"], settings: embedded.merging(store) { $1 })
                #expect(exit == .code(0) && !output.contains("batches of this epoch are missing"), "\(output)")
            }

            try await self.count(5, on: tally)
            try await flush([:])
            try await self.count(2, on: tally)
            try await tally.restart(toMongoDB)
            var found = try await books(toMongoDB)
            #expect(found["accepted"] == .number("2") && found["pending"] == .number("2"), "\(found)")
            try await self.count(4, on: tally)
            try await flush(toMongoDB)
            found = try await books(toMongoDB)
            #expect(found["accepted"] == .number("6") && found["persisted"] == .number("6"), "\(found)")
            #expect(found["elsewhere"] == .number("5") && found["restored"] == .number("0"), "\(found)")
            let table = try await TallyProcess.run(["audit"], settings: embedded.merging(toMongoDB) { $1 })
            #expect(table.output.contains("5 more counts went into the embedded store"), "\(table.output)")
            #expect(!tally.log.contains("batches_missing") && !tally.log.contains("are missing from the store"))

            try await self.count(8, on: tally)
            try await tally.restart()
            try await self.count(16, on: tally)
            try await flush([:])
            found = try await books([:])
            #expect(found["accepted"] == .number("29") && found["persisted"] == .number("29"), "\(found)")
            #expect(found["elsewhere"] == .number("6") && found["restored"] == .number("0"), "\(found)")
            let back = try await TallyProcess.run(["audit"], settings: embedded)
            #expect(back.output.contains("6 more counts went into MongoDB"), "\(back.output)")

            // And forward once more.
            try await self.count(32, on: tally)
            try await flush(toMongoDB)
            found = try await books(toMongoDB)
            #expect(found["accepted"] == .number("38") && found["elsewhere"] == .number("29"), "\(found)")
            #expect(try await books([:])["balanced"] == .bool(true))
        }

        @Test("the books balance when the buffer moves to Redis, and the store stays")
        func anotherBuffer() async throws {
            let redis = try await RedisServer.start(appendfsync: .always)
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            try await self.count(5, on: tally)
            #expect(try await tally.run(["flush"]).exit == .code(0))
            try await self.count(2, on: tally)
            try await tally.restart(["REDIS_URL": redis.url])
            try await self.count(4, on: tally)
            let settings = ["DATA_DIR": tally.dataDirectory.path, "REDIS_URL": redis.url]
            #expect(try await TallyProcess.run(["flush"], settings: settings).exit == .code(0))
            let (exit, output) = try await TallyProcess.run(["audit", "--format", "json"], settings: settings)
            #expect(exit == .code(0), "\(output)")
            let books = try JSONValue(parsing: Array(output.utf8))
            #expect(books["accepted"] == .number("11") && books["persisted"] == .number("11"), "\(output)")
            #expect(books["elsewhere"] == .number("0"), "\(output)")
        }

        @Test("where a server cannot be reached the command exits 69, and GET /audit says so, with 200")
        func unreachable() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await redis.terminate()
            #expect(try await tally.run(["audit"]).exit == .code(69))
            let response = try await TestConnection.once(port: tally.port, .GET, "/audit")
            #expect(response.status == 200)
            let books = try response.json()
            #expect(books["balanced"] == .bool(false))
            #expect(books["unreadable"]?["part"]?.string == "buffer")
            #expect(books["unreadable"]?["reason"]?.string?.contains("cannot reach Redis") == true, "\(books)")
            try await redis.restart()
        }

        @Test("where the store cannot be reached GET /audit says so, with 200")
        func storeUnreachable() async throws {
            let tally = try await TallyProcess.start([
                "MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300",
                "FLUSH_SCHEDULE": Deployment.never,
            ])
            let response = try await TestConnection.once(port: tally.port, .GET, "/audit")
            #expect(response.status == 200)
            let books = try response.json()
            #expect(books["balanced"] == .bool(false))
            #expect(books["unreadable"]?["part"]?.string == "store", "\(books)")
        }

        @Test("the books are for those who may read")
        func access() async throws {
            let tally = try await TallyProcess.start(["READ_ALLOWED_IPS": "192.0.2.1"])
            #expect(try await TestConnection.once(port: tally.port, .GET, "/audit").status == 403)
        }

        @Test("the job fails where the books do not balance, so that the log has an error, and keeps what it found")
        func job() async throws {
            let folder = try TemporaryDirectory("audit")
            let database = try EmbeddedDatabase(directory: folder.path)
            let registry = MetricRegistry()
            let auditing = Auditing(
                auditor: Auditor(
                    buffers: [SQLiteBuffer(database: database, kind: "embedded", storeIsElsewhere: false)],
                    store: SQLiteStore(database: database, logger: .silent), now: { 7 }),
                meter: AuditMeter(registry))
            #expect(try await auditing.run() == nil)
            #expect(registry.exposition().contains("\ntally_audit_balanced 1\n"))
            let queue = try DatabaseQueue(path: database.path)
            try await queue.write { try $0.execute(sql: "UPDATE buffer_state SET accepted = 5") }
            let mismatch = await #expect(throws: Auditing.Mismatch.self) { _ = try await auditing.run() }
            #expect(mismatch?.description.contains("5 too few") == true)
            #expect(registry.exposition().contains("\ntally_audit_balanced 0\n"))
            #expect(registry.exposition().contains("\ntally_audit_timestamp_seconds 7\n"))
            try database.close()
        }

        private func count(_ counts: Int, on tally: TallyProcess) async throws {
            try await eventually(within: .seconds(20), "a count to be taken", log: { tally.log }) {
                try await TestConnection.once(
                    port: tally.port, .POST, "/track", headers: ["content-type": "application/json"],
                    body: Array(#"[{"clientName":"acme","testID":"cta","variation":"B","count":\#(counts)}]"#.utf8)
                ).status == 200
            }
        }

        private func change(_ deployment: Deployment, _ sql: String) throws {
            let queue = try DatabaseQueue(path: deployment.dataDirectory().appendingPathComponent("tally.sqlite").path)
            try queue.write { try $0.execute(sql: sql) }
        }
    }
}
