import Foundation
import GRDB
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Backups {
        @Test("a copy made under traffic holds what was acknowledged before, and is put back to count on")
        func underTraffic() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings())
            let copy = deployment.folder.url.appendingPathComponent("copy.sqlite").path
            let before = Ledger()
            try await self.count(2_000, seed: 61, into: before, tally)

            // Counts that are sent meanwhile may be in the copy or not.
            let meanwhile = Ledger()
            async let traffic: Void = self.count(4_000, seed: 62, into: meanwhile, tally)
            try await eventually("traffic to flow", log: { tally.log }) { meanwhile.total.acknowledged > 100 }
            let made = try await tally.run(["backup", copy])
            #expect(made.exit == .code(0) && made.output.hasPrefix("wrote \(copy): "), "\(made)")
            try await traffic
            #expect(try self.mode(of: copy) == 0o600)
            #expect(!FileManager.default.fileExists(atPath: copy + "-wal"))

            // Counted after the copy, and gone with it.
            try await self.count(500, seed: 63, into: Ledger(), tally)
            #expect(try await tally.terminate() == 0)
            let refused = try await tally.run(["restore", copy])
            #expect(refused.exit == .code(64) && refused.output.contains("--force"), "\(refused)")
            let restored = try await tally.run(["restore", copy, "--force"])
            #expect(restored.exit == .code(0) && restored.output.contains("what was there is now"), "\(restored)")

            try await tally.restart()
            let books = Ledger()
            for (counter, entry) in before.entries { books.recordAcknowledged(counter, entry.acknowledged) }
            for (counter, entry) in meanwhile.entries { books.recordUnanswered(counter, entry.acknowledged) }
            try await self.count(700, seed: 64, into: books, tally)
            #expect(try await deployment.violations(books, tally, exactly: false) == [])
            #expect(try await deployment.audit(tally)["balanced"] == .bool(true))

            // What was replaced is kept, whole.
            let files = try FileManager.default.contentsOfDirectory(atPath: deployment.dataDirectory().path)
            let kept = try #require(files.first { $0.contains(".before-restore-") })
            let folder = deployment.folder.url.appendingPathComponent("elsewhere")
            let again = try await tally.run(
                ["restore", deployment.dataDirectory().appendingPathComponent(kept).path, "--data-dir", folder.path])
            #expect(again.exit == .code(0), "\(again)")
            let queue = try DatabaseQueue(path: folder.appendingPathComponent("tally.sqlite").path)
            let all = try await queue.read {
                try Int64.fetchOne(
                    $0,
                    sql: "SELECT (SELECT sum(count) FROM store_counts) + (SELECT coalesce(sum(count), 0) FROM counts)")
            }
            #expect(all == before.total.acknowledged + meanwhile.total.acknowledged + 500)
        }

        @Test(
            "where the store is MongoDB, a copy that is put back counts nothing twice and loses nothing that was flushed"
        )
        func beforeMongoDB() async throws {
            let deployment = try await Deployment.start(.mongoDB)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let copy = deployment.folder.url.appendingPathComponent("copy.sqlite").path
            let kept = Ledger()
            let gone = Ledger()
            try await self.count(700, seed: 71, into: kept, tally)
            try await deployment.flush(tally)
            // In the copy as live, and flushed from the original: must not come again.
            try await self.count(700, seed: 72, into: kept, tally)
            #expect(try await tally.run(["backup", copy]).exit == .code(0))
            try await self.count(700, seed: 73, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(700, seed: 74, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(300, seed: 75, into: gone, tally)

            try await tally.kill()
            let restored = try await tally.run(["restore", copy, "--force"])
            #expect(restored.exit == .code(0), "\(restored)")
            #expect(restored.output.contains("300 counts waiting in the buffer"), "\(restored.output)")
            try await tally.restart()
            try await self.count(700, seed: 76, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(700, seed: 77, into: kept, tally)
            // The epoch in which the 300 were counted is closed, so they are not there, rather than in doubt.
            #expect(try await deployment.violations(kept, tally, exactly: true) == [])
            let audit = try await deployment.audit(tally)
            #expect(audit["balanced"] == .bool(true), "\(audit)")
        }

        @Test(
            "an embedded store that is put back into the middle of a flush from Redis says what is missing and goes on")
        func midFlush() async throws {
            let deployment = try await Deployment.start(.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let copy = deployment.folder.url.appendingPathComponent("copy.sqlite").path
            let tests = 150
            // One batch, of more documents than are applied at once.
            func count() async throws {
                let items = (0..<tests).map { #"{"clientName":"acme","testID":"t\#($0)","variation":"A"}"# }
                let response = try await TestConnection.once(
                    port: tally.port, .POST, "/track", headers: ["content-type": "application/json"],
                    body: Array("[\(items.joined(separator: ","))]".utf8))
                #expect(response.status == 200)
            }
            try await count()
            try await deployment.flush(tally)
            try await count()
            try await tally.run(["flush"], dyingAt: .midBulk, passing: 1)
            try await deployment.forgetFlushLock()
            #expect(try await tally.run(["backup", copy]).exit == .code(0))
            for _ in 0..<2 {
                try await deployment.flush(tally)
                try await count()
            }
            try await deployment.flush(tally)

            try await tally.kill()
            #expect(try await tally.run(["restore", copy, "--force"]).exit == .code(0))
            try await tally.restart()
            try await count()
            let (exit, output) = try await tally.run(["flush"])
            #expect(exit == .code(0) && output.contains("missing from the store"), "\(output)")
            #expect(output.contains("last_applied=1") && output.contains("applying=5"), "\(output)")
            #expect(output.contains("of number 2 a part is there"), "\(output)")
            // What comes later is no news, and counted.
            try await count()
            let (again, more) = try await tally.run(["flush"])
            #expect(again == .code(0) && !more.contains("missing from the store"), "\(more)")
            let stored = try await deployment.countedInStore(clients: ["acme"])
            #expect(stored.count == tests)
            #expect(stored.values.allSatisfy { $0 == 3 || $0 == 4 })

            // Batches 2 to 4 are gone; the part of the second that is there is in no total.
            let audit = try await tally.run(["audit"])
            #expect(audit.exit == .code(1), "\(audit)")
            #expect(audit.output.contains("900 accepted, but 450 persisted"), "\(audit.output)")
            #expect(audit.output.contains("450 too few"), "\(audit.output)")
        }

        @Test(
            "a file that a service holds, that is there, that is damaged or another program's is not replaced or used")
        func refusals() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let folder = deployment.folder.url
            let copy = folder.appendingPathComponent("copy.sqlite").path
            try await self.count(100, seed: 81, into: Ledger(), tally)
            #expect(try await tally.run(["backup", copy]).exit == .code(0))
            let bytes = try Data(contentsOf: URL(fileURLWithPath: copy))

            let taken = try await tally.run(["backup", copy])
            #expect(taken.exit == .code(64) && taken.output.contains("is not overwritten"), "\(taken)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == bytes)
            let held = try await tally.run(["restore", copy, "--force"])
            #expect(held.exit == .code(69) && held.output.contains("stop the service first"), "\(held)")
            #expect(try await TestConnection.once(port: tally.port, .GET, "/readyz").status == 200)

            var broken = bytes
            for index in broken.count / 2..<broken.count { broken[index] = 0x5A }
            let damaged = folder.appendingPathComponent("damaged.sqlite").path
            try broken.write(to: URL(fileURLWithPath: damaged))
            let other = folder.appendingPathComponent("other.sqlite").path
            try await DatabaseQueue(path: other).write { try $0.execute(sql: "CREATE TABLE notes (text TEXT)") }
            let empty = folder.appendingPathComponent("new")
            for (file, words, code) in [
                (damaged, "damaged", 69), (other, "no copy of tally's", 69), (copy + "x", "there is no file", 64),
            ] as [(String, String, Int32)] {
                let answer = try await tally.run(["restore", file, "--data-dir", empty.path])
                #expect(answer.exit == .code(code) && answer.output.contains(words), "\(answer)")
                #expect(!FileManager.default.fileExists(atPath: empty.appendingPathComponent("tally.sqlite").path))
            }
            let nothing = try await tally.run(["backup", copy + "2", "--data-dir", empty.path])
            #expect(nothing.exit == .code(64) && nothing.output.contains("DATA_DIR"), "\(nothing)")
            let nowhere = try await tally.run(["backup", folder.path + "/not/there/copy.sqlite"])
            #expect(nowhere.exit == .code(69) && nowhere.output.contains("cannot create"), "\(nowhere)")

            // What is there and damaged cannot be kept as a copy; that is said, with what to do.
            try await tally.kill()
            let target = deployment.dataDirectory().appendingPathComponent("tally.sqlite")
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: target.path + suffix) }
            try broken.write(to: target)
            let inTheWay = try await tally.run(["restore", copy, "--force"])
            #expect(inTheWay.exit == .code(69) && inTheWay.output.contains("move "), "\(inTheWay)")
            #expect(try Data(contentsOf: target) == broken)
            try FileManager.default.removeItem(at: target)
            #expect(try await tally.run(["restore", copy]).exit == .code(0))
            #expect(try self.mode(of: target.path) == 0o600)
        }

        @Test("a restore that is killed while it writes leaves the old data or the new, whole")
        func killed() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await self.count(100, seed: 85, into: Ledger(), tally)
            let old = deployment.folder.url.appendingPathComponent("old.sqlite").path
            let copy = deployment.folder.url.appendingPathComponent("copy.sqlite").path
            for file in [old, copy] { #expect(try await tally.run(["backup", file]).exit == .code(0)) }
            try await tally.kill()
            // Enough to write that it can be met at it.
            let rows: Int64 = 300_000
            try await DatabaseQueue(path: copy).write { db in
                try db.execute(
                    sql: """
                        INSERT INTO store_counts (client, test, event, variation, count)
                        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                        SELECT 'acme', 'a test with a name that takes some room ' || i, 'view', 'B', 1 FROM n
                        """, arguments: [rows])
            }
            let target = deployment.dataDirectory().appendingPathComponent("tally.sqlite").path
            var wasInterrupted = false
            for _ in 0..<20 where !wasInterrupted {
                let restore = try await tally.start(["restore", copy, "--force"])
                // Its journal is there from the first page that is written to the commit.
                while restore.isRunning, !FileManager.default.fileExists(atPath: target + "-journal") {
                    await Task.yield()
                }
                restore.kill()
                try await restore.waitUntilExit()
                wasInterrupted = FileManager.default.fileExists(atPath: target + "-journal")

                let (counted, waiting, check) = try await DatabaseQueue(path: target).read { db in
                    (
                        try Int64.fetchOne(db, sql: "SELECT coalesce(sum(count), 0) FROM store_counts"),
                        try Int64.fetchOne(db, sql: "SELECT sum(count) FROM counts"),
                        try String.fetchOne(db, sql: "PRAGMA integrity_check")
                    )
                }
                #expect(check == "ok" && waiting == 100)
                #expect(wasInterrupted ? counted == 0 : counted == 0 || counted == rows)
                if counted == rows { #expect(try await tally.run(["restore", old, "--force"]).exit == .code(0)) }
                for name in try FileManager.default.contentsOfDirectory(atPath: deployment.dataDirectory().path)
                where name.contains(".before-restore-") {
                    try FileManager.default.removeItem(at: deployment.dataDirectory().appendingPathComponent(name))
                }
            }
            #expect(wasInterrupted)
        }

        private func count(_ counts: Int, seed: UInt64, into ledger: Ledger, _ tally: TallyProcess) async throws {
            let traffic = TrafficGenerator(
                .init(seed: seed, connections: 4, counts: counts, counters: 40, itemsPerBatch: 5), ledger: ledger)
            let report = try await traffic.run(port: tally.port)
            #expect(report.surprises.isEmpty && report.unanswered == 0)
        }

        private func mode(of path: String) throws -> Int {
            try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
        }
    }
}
