import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// A replica set of three that loses its primary while a flush runs every second and counts come in.
    @Suite struct MongoFaults {
        enum Fault: String, CaseIterable, CustomTestStringConvertible {
            case killed = "is killed"
            case stepsDown = "steps down"
            case frozen = "is frozen until another is elected, and thawed"

            var testDescription: String { self.rawValue }
        }

        @Test(
            "the primary is lost under traffic; no count is lost or doubled, and the books balance",
            arguments: Fault.allCases)
        func primaryLost(_ fault: Fault) async throws {
            let set = try await MongoReplicaSet.start()
            let deployment = try await Deployment.start(.redisAndMongoDB, on: set)
            let tally = try await TallyProcess.start(deployment.settings())
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(
                .init(seed: Torture.seed, connections: 6, counts: .max, counters: 500), ledger: ledger)
            var random = SplitMix64(seed: Torture.seed &+ UInt64(fault.rawValue.utf8.count))
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                for _ in 0..<Torture.rounds(full: 20, short: 1) {
                    let before = try await self.finishedBatches(set, deployment)
                    try await eventually(within: .seconds(90), "a flush to reach MongoDB", log: { tally.log }) {
                        try await self.finishedBatches(set, deployment) > before
                    }
                    // A random moment, so that a flush is under way at some of them.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...1_000, using: &random)))
                    try await self.strike(fault, set)
                }
                stop.stop()
                return try await group.next() ?? .init()
            }
            #expect(report.surprises.isEmpty)
            // Counts go into Redis, which has seen nothing of it: so the books close exactly.
            #expect(report.unanswered == 0)
            #expect(ledger.total.acknowledged > 0)
            try await eventually(within: .seconds(60), "a flush to succeed", log: { tally.log }) {
                try await tally.run(["flush"]).exit == .code(0)
            }
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
            let (exit, books) = try await tally.run(["audit"])
            #expect(exit == .code(0), "\(books)")
            #expect(try await deployment.audit(tally)["persisted"]?.integer == ledger.total.acknowledged)
        }

        private func finishedBatches(_ set: MongoReplicaSet, _ deployment: Deployment) async throws -> Int64 {
            try await set.primary().documents(database: deployment.database, collection: "tally.epochs")
                .reduce(0) { $0 + ($1["lastNumber"]?.int64 ?? 0) }
        }

        private func strike(_ fault: Fault, _ set: MongoReplicaSet) async throws {
            let primary = try await set.primary()
            switch fault {
            case .killed:
                try await primary.kill()
                _ = try await set.primary()
                try await primary.restart()
            case .stepsDown:
                try await primary.command(
                    ["replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5], database: "admin")
                _ = try await set.primary()
            case .frozen:
                primary.pause()
                let successor = try await set.primary()
                #expect(successor.port != primary.port)
                primary.resume()
            }
        }

        @Test("of two flushers one is frozen in mid-flush for longer than any timeout, and does no harm when it thaws")
        func frozenFlusher() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            // The generator's special names all fall into a few tests.
            let room = [
                "MAX_TESTS_PER_CLIENT": "20000", "MAX_VARIATIONS_PER_TEST": "10000", "MAX_EVENTS_PER_TEST": "10000",
            ]
            let tally = try await TallyProcess.start(
                deployment.settings(flush: Deployment.never).merging(room) { $1 })
            let ledger = Ledger()
            for round in 1...Torture.rounds(full: 20, short: 1) {
                // Enough documents for a flush to take a while.
                try await self.count(Torture.seed &+ UInt64(round), 80_000, counters: 60_000, into: ledger, tally)
                let frozen = try await self.freezeMidFlush(deployment, tally)

                // It holds the lock for 30 s more, then the other one goes to work on the same batch, and on later ones.
                let other = try await tally.run(["flush"], within: .seconds(120))
                #expect(other.exit == .code(0), "\(other.output)")
                try await self.count(Torture.seed &+ UInt64(1_000 + round), 2_000, counters: 500, into: ledger, tally)
                if round.isMultiple(of: 2) {
                    // A new epoch: the marks of the one that the frozen flusher works on are pruned meanwhile.
                    try await redis.kill()
                    try await redis.restart()
                    try await self.count(
                        Torture.seed &+ UInt64(2_000 + round), 80_000, counters: 60_000, into: ledger, tally)
                }
                try await deployment.flush(tally)

                frozen.kill(SIGCONT)
                // It finishes, or reports that its connections are gone.
                try await frozen.waitUntilExit(within: .seconds(120))
                #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
                let (exit, books) = try await tally.run(["audit"])
                #expect(exit == .code(0), "\(books)")
            }
        }

        /// Starts a flush and stops it when it has written some documents of its batch, and not all.
        private func freezeMidFlush(_ deployment: Deployment, _ tally: TallyProcess) async throws -> ServerProcess {
            let mongo = try #require(deployment.mongo)
            let before = try await self.finished(mongo, deployment)
            let flusher = try await tally.start(["flush"])
            try await eventually(within: .seconds(60), "a flush to be under way", log: { flusher.log }) {
                let pending = try await deployment.redis?.command(["LLEN", "{tally}:pending"]).integer ?? 0
                guard pending > 0 else { return !flusher.isRunning }
                return try await self.documentsOfUnfinishedBatch(mongo, deployment) > 0
            }
            flusher.kill(SIGSTOP)
            #expect(flusher.isRunning)
            #expect(try await self.finished(mongo, deployment) == before, "it was frozen too late to be in mid-flush")
            return flusher
        }

        private func finished(_ mongo: MongoServer, _ deployment: Deployment) async throws -> Int64 {
            try await mongo.documents(database: deployment.database, collection: "tally.epochs")
                .reduce(0) { $0 + ($1["lastNumber"]?.int64 ?? 0) }
        }

        private func documentsOfUnfinishedBatch(
            _ mongo: MongoServer, _ deployment: Deployment
        ) async throws -> Int64 {
            let epochs = try await mongo.documents(database: deployment.database, collection: "tally.epochs")
            guard let epoch = epochs.first(where: { $0["closedAt"] == nil }),
                let id = epoch["_id"]?.string, let last = epoch["lastNumber"]?.int64
            else { return 0 }
            return try await mongo.command(
                ["count": "client-0", "query": [("applied." + id): ["$gt": .int64(last)]], "limit": 1],
                database: deployment.database)["n"]?.integer ?? 0
        }

        private func count(
            _ seed: UInt64, _ counts: Int, counters: Int, into ledger: Ledger, _ tally: TallyProcess
        ) async throws {
            let traffic = TrafficGenerator(
                .init(seed: seed, connections: 6, counts: counts, counters: counters, itemsPerBatch: 200),
                ledger: ledger)
            let report = try await traffic.run(port: tally.port)
            #expect(report.surprises.isEmpty && report.unanswered == 0)
        }
    }
}
