import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension ServerAttacks {
    /// Redis comes back in an older state. Kept must be what was flushed before or acknowledged after; what was counted
    /// in between went with the disk, or is there.
    @Suite struct OlderRedis {
        @Test("Redis is put back to a copy that is one to ten flushes old")
        func copies() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            var books = Books("Redis restored", deployment)
            // The oldest first. Those from before an earlier return stay in: a copy of an abandoned line is a copy too.
            var copies: [TemporaryDirectory] = []
            for round in 0..<Torture.rounds(full: 50, short: 2) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                let flushes = Torture.isFull ? Int.random(in: 1...3, using: &random) : 3
                for _ in 0..<flushes {
                    try await count(150, seed: random.next(), ledger, tally)
                    copies.append(try self.copy(redis))
                    // What the copy has live is in a flushed batch afterwards, alone or with more.
                    if Bool.random(using: &random) { try await count(100, seed: random.next(), ledger, tally) }
                    try await deployment.flush(tally)
                }
                copies = copies.suffix(10)
                let gone = Ledger()
                try await self.replace(redis, tally, gone, kept: ledger, &random) { random in
                    try redis.restoreData(from: #require(copies.randomElement(using: &random)))
                }
                try await count(150, seed: random.next(), ledger, tally)
                if Bool.random(using: &random) { try await deployment.flush(tally) }
                try await count(150, seed: random.next(), ledger, tally)
                ledger.recordAsUncertain(gone)
                try await books.check(ledger, tally, round: round)
            }
        }

        @Test("the end of Redis' append-only file is torn off at a random byte")
        func tornTails() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            var books = Books("AOF tail torn", deployment)
            var ledger = Ledger()
            var unchecked = 0
            let rounds = Torture.rounds(full: 100, short: 3)
            for round in 0..<rounds {
                var random = chance(books.attack, round)
                let flushed = Ledger()
                let gone = Ledger()
                try await count(150, seed: random.next(), flushed, tally)
                try await deployment.flush(tally)
                try await self.replace(redis, tally, gone, kept: flushed, &random) { try self.tear(redis, &$0) }
                if Bool.random(using: &random) {
                    // What was torn off comes back now, unless Redis' file was written anew before it was counted into.
                    try await withTraffic(to: tally, seed: random.next(), counters: 100, flushed) {
                        try await redis.kill()
                        try await redis.restart()
                        try await flow(flushed, tally)
                    }
                }
                ledger.record(flushed)
                ledger.recordAsUncertain(gone)
                unchecked += 1
                // Several tears in a row, now and then, before anybody looks: the next one meets what the last one left.
                guard round == rounds - 1 || Int.random(in: 0..<3, using: &random) == 0 else { continue }
                try await count(150, seed: random.next(), ledger, tally)
                try await books.check(ledger, tally, round: round, faults: unchecked)
                ledger = Ledger()
                unchecked = 0
            }
        }

        @Test("a Redis without an append-only file is killed and comes back empty")
        func empty() async throws {
            let redis = try await RedisServer.start(appendfsync: nil)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            var books = Books("kill -9 of Redis, no append-only file", deployment)
            for round in 0..<Torture.rounds(full: 25, short: 1) {
                var random = chance(books.attack, round)
                let kept = Ledger()
                let gone = Ledger()
                try await count(150, seed: random.next(), kept, tally)
                try await deployment.flush(tally)
                try await self.replace(redis, tally, gone, kept: kept, &random) { _ in }
                kept.recordAsUncertain(gone)
                try await books.check(kept, tally, round: round)
            }
        }

        /// Kills Redis under traffic, changes its data, and starts it again.
        ///
        /// What was sent before it was gone may be lost; what was sent afterwards, into the spool at first, is kept.
        private func replace(
            _ redis: RedisServer, _ tally: TallyProcess, _ gone: Ledger, kept: Ledger, _ random: inout SplitMix64,
            change: (inout SplitMix64) throws -> Void
        ) async throws {
            let seeds = (random.next(), random.next())
            let stop = TrafficGenerator.StopFlag()
            try await withTraffic(to: tally, seed: seeds.0, counters: 100, stop: stop, gone) {
                // Every other time so early that the first batch after a flush is the last one that Redis wrote.
                let isEarly = Bool.random(using: &random)
                try await flow(gone, tally, counts: isEarly ? 1 : 50)
                if !isEarly { try await random.pause(milliseconds: 0...50) }
                try await redis.kill()
                stop.stop()
                try await withTraffic(to: tally, seed: seeds.1, counters: 100, kept) {
                    try change(&random)
                    try await redis.restart()
                    try await flow(kept, tally)
                }
            }
        }

        /// All files of one moment, as a file system's snapshot has them.
        private func copy(_ redis: RedisServer) throws -> TemporaryDirectory {
            redis.pause()
            defer { redis.resume() }
            return try redis.snapshotData()
        }

        /// Takes off anything from one byte to the whole file, small pieces being as likely as large ones.
        private func tear(_ redis: RedisServer, _ random: inout SplitMix64) throws {
            let file = try FileHandle(forUpdating: #require(redis.appendOnlyFile))
            let size = try file.seekToEnd()
            if size > 0 {
                let torn = exp(Double.random(in: 0...log(Double(size)), using: &random))
                try file.truncate(atOffset: size - min(size, UInt64(torn)))
            }
            try file.close()
        }
    }
}
