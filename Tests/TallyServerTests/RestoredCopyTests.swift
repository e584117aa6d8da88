import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// A buffer that is put back to an older copy of itself. Kept must be what was flushed before or acknowledged after;
    /// what was counted between the copy and its return, and not flushed, went with the disk. What becomes of Redis then
    /// is tried in `TallyTortureTests`.
    @Suite struct RestoredCopies {
        @Test(
            "Redis goes back to an older copy, and then forward to a newer one of the same epoch: nothing waits, all is counted"
        )
        func backAndForward() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let kept = Ledger()

            // Copied while it runs and is quiet, so that its epoch goes on.
            try await self.count(700, seed: 61, into: kept, tally)
            let older = try redis.snapshotData()
            try await self.count(700, seed: 62, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(700, seed: 63, into: kept, tally)
            let newer = try redis.snapshotData()

            // The flush ends the epoch in the store, at its first batch.
            for (copy, seed) in [(older, UInt64(64)), (newer, 65)] {
                try await redis.kill()
                try redis.restoreData(from: copy)
                try await redis.restart()
                try await self.count(700, seed: seed, into: kept, tally)
                try await deployment.flush(tally)
            }
            #expect(try await self.violations(kept, Ledger(), deployment, tally) == [])
            #expect(try await redis.command(["LLEN", "{tally}:pending"]).integer == 0)
            let (exit, books) = try await tally.run(["audit"])
            #expect(exit == .code(0), "\(books)")
        }

        @Test("the embedded buffer is put back to an older copy between flushes to MongoDB")
        func embeddedRestored() async throws {
            let deployment = try await Deployment.start(.mongoDB)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let kept = Ledger()
            let gone = Ledger()
            let data = deployment.dataDirectory()
            let copy = deployment.folder.url.appendingPathComponent("copy")

            try await self.count(700, seed: 51, into: kept, tally)
            try await tally.kill()
            try FileManager.default.copyItem(at: data, to: copy)
            try await tally.restart()
            try await self.count(700, seed: 52, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(700, seed: 53, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(300, seed: 54, into: gone, tally)

            try await tally.kill()
            try FileManager.default.removeItem(at: data)
            try FileManager.default.copyItem(at: copy, to: data)
            try await tally.restart()
            try await self.count(700, seed: 55, into: kept, tally)
            try await deployment.flush(tally)
            try await self.count(700, seed: 56, into: kept, tally)

            #expect(try await self.violations(kept, gone, deployment, tally) == [])
        }

        private func count(_ counts: Int, seed: UInt64, into ledger: Ledger, _ tally: TallyProcess) async throws {
            let traffic = TrafficGenerator(
                .init(seed: seed, connections: 4, counts: counts, counters: 40, itemsPerBatch: 5), ledger: ledger)
            let report = try await traffic.run(port: tally.port)
            #expect(report.surprises.isEmpty && report.unanswered == 0)
        }

        private func violations(
            _ kept: Ledger, _ gone: Ledger, _ deployment: Deployment, _ tally: TallyProcess
        ) async throws -> [String] {
            let books = Ledger()
            for (counter, entry) in kept.entries { books.recordAcknowledged(counter, entry.acknowledged) }
            for (counter, entry) in gone.entries { books.recordUnanswered(counter, entry.acknowledged) }
            return try await deployment.violations(books, tally, exactly: false)
        }
    }
}
