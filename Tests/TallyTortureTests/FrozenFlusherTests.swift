import TallyCore
import TallyTestSupport
import Testing

extension ServerAttacks {
    @Suite struct FrozenFlushers {
        /// The lock of a flush is kept the longest: 30 s. Answers of Redis are waited for 10 s, majorities of MongoDB 10 s.
        private static let pastEveryTimeout: Duration = .seconds(35)

        @Test(
            "of two instances one is frozen in mid-flush for longer than any timeout; the other goes on, and nothing comes twice when it thaws"
        )
        func frozen() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            // A long way to MongoDB, so that there is much of a flush to be frozen in.
            let way = try await TCPProxy.start(to: #require(deployment.mongo).port)
            way.delay = .milliseconds(25)
            let first = try await TallyProcess.start(deployment.settings(mongoPort: way.port))
            let lock = try await self.lockOfFirst(deployment, first)
            let second = try await TallyProcess.start(deployment.settings(instance: 2))
            var books = Books("an instance frozen in mid-flush", deployment)
            for round in 0..<Torture.rounds(full: 20, short: 1) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                try await withTraffic(
                    to: [first, second], seed: random.next(), pause: .milliseconds(5), ledger
                ) {
                    try await self.freeze(first, lock: lock, deployment, &random)
                    // Every other time Redis begins a new epoch meanwhile, so that the marks are pruned of the one that
                    // the frozen instance is at work on.
                    if round % 2 == 1 {
                        try await redis.kill()
                        try await redis.restart()
                    }
                    if Torture.isFull {
                        try await Task.sleep(for: Self.pastEveryTimeout)
                    } else {
                        // As if that long had passed; the others then find it frozen still.
                        try await deployment.forgetFlushLock()
                    }
                    let begun = try await deployment.batchesInLedger()
                    try await eventually(
                        within: .seconds(60), "the other one to finish the batch, and later ones",
                        log: { String(second.log.suffix(4_000)) }
                    ) {
                        try await deployment.batchesInLedger().finished >= max(begun.begun, begun.finished) + 2
                    }
                    first.resume()
                    try await flow(ledger, second)
                }
                // What its spool has is in no buffer of the one that is checked.
                try await deployment.flush(second)
                try await books.check(ledger, first, round: round)
            }
            let (exit, text) = try await first.run(["audit"])
            #expect(exit == .code(0), "\(text)")
            await way.stop()
        }

        /// What the first instance writes into the lock of the flush; to be asked while no other one flushes. The count is of the
        /// client that the books leave out.
        private func lockOfFirst(_ deployment: Deployment, _ first: TallyProcess) async throws -> String {
            let redis = try #require(deployment.redis)
            var lock: String?
            try await eventually(within: .seconds(30), "the first instance to flush", log: { first.log }) {
                try await TestConnection.once(
                    port: first.port, .GET, "/track?clientName=prober&testID=lock&variation=A"
                ).status == 200
            }
            try await eventually(within: .seconds(30), "the first instance to flush", log: { first.log }) {
                lock = try await redis.command(["GET", "{tally}:flush-lock"]).text
                return lock != nil
            }
            return try #require(lock)
        }

        /// Stops the process while it has begun a batch and not finished it: when a document has the batch, which others may
        /// then be led to apply again, or at any moment.
        private func freeze(
            _ first: TallyProcess, lock: String, _ deployment: Deployment, _ random: inout SplitMix64
        ) async throws {
            let redis = try #require(deployment.redis)
            let isAtDocument = !Torture.isFull || Bool.random(using: &random)
            try await eventually(within: .seconds(60), "an instance that is frozen in mid-flush", log: { first.log }) {
                guard try await redis.command(["GET", "{tally}:flush-lock"]).text == lock else { return false }
                let ledger = try await deployment.batchesInLedger()
                guard ledger.begun > ledger.finished else { return false }
                if isAtDocument {
                    guard try await self.isWrittenInPart(deployment) else { return false }
                } else {
                    try await random.pause(milliseconds: 0...250)
                }
                first.pause()
                // What was on its way to MongoDB arrives all the same.
                try await Task.sleep(for: .milliseconds(150))
                let now = try await deployment.batchesInLedger()
                if now.begun > now.finished, try await redis.command(["GET", "{tally}:flush-lock"]).text == lock {
                    return true
                }
                first.resume()
                return false
            }
        }

        /// Whether a document has a batch that is not finished.
        private func isWrittenInPart(_ deployment: Deployment) async throws -> Bool {
            let mongo = try #require(deployment.mongo)
            for epoch in try await mongo.documents(database: deployment.database, collection: "tally.epochs") {
                guard let id = epoch["_id"]?.string, let begun = epoch["begun"]?.int64,
                    let finished = epoch["lastNumber"]?.int64, begun > finished
                else { continue }
                let written = try await mongo.documents(
                    database: deployment.database, collection: "client-0",
                    filter: BSONDocument([("applied.\(id)", .int64(begun))]))
                if !written.isEmpty { return true }
            }
            return false
        }
    }
}
