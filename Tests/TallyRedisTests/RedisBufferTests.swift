import NIOCore
import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyRedis

/// The scripts, against a real Redis.
@Suite(.serverLogs) struct RedisBufferTests {
    private static let group = MultiThreadedEventLoopGroup.singleton

    private func buffer(
        _ redis: RedisServer, bounds: NameBounds = .standard, owner: String = "mongodb", prefix: String = "tally"
    ) -> RedisBuffer {
        RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port), keyPrefix: prefix, bounds: bounds,
            owner: owner,
            eventLoop: Self.group.next(), logger: .silent)
    }

    /// A lane on a loop of its own, for callers who are not on it.
    final class Lane: Sendable {
        private let loop: any EventLoop
        private let lane: NIOLoopBound<any BufferLane>

        init(_ buffer: RedisBuffer) async throws {
            let loop = RedisBufferTests.group.next()
            self.loop = loop
            self.lane = try await loop.submit { NIOLoopBound(buffer.makeLane(on: loop), eventLoop: loop) }.get()
            try await self.waitUntilReady()
        }

        func waitUntilReady() async throws {
            try await eventually("the lane to be ready") {
                try await self.loop.submit { self.lane.value.isReady }.get()
            }
        }

        func send(_ units: [[(String, Int64)]], isPlain: Bool = false) async throws -> LaneOutcome {
            let promise = self.loop.makePromise(of: LaneOutcome.self)
            self.loop.execute {
                var batch = CountBatch()
                for unit in units {
                    // Without this, as without a request of many items, the batch is plain.
                    if isPlain { precondition(unit.count == 1) } else { batch.beginUnit() }
                    for (field, count) in unit {
                        let names = field.split(separator: "/").map { Name(String($0)) }
                        let packed = CounterField.pack(
                            client: names[0], test: names[1], variation: names[2], event: names[3])
                        packed.withUnsafeBytes {
                            _ =
                                isPlain
                                ? batch.appendSingle(field: $0, count: count) : batch.append(field: $0, count: count)
                        }
                    }
                }
                self.lane.value.send(batch) { promise.succeed($0) }
            }
            return try await promise.futureResult.get()
        }

        /// Sends entries with event IDs, or without where there is none.
        func send(_ units: [[(field: String, id: String?)]]) async throws -> LaneOutcome {
            let promise = self.loop.makePromise(of: LaneOutcome.self)
            self.loop.execute {
                var batch = CountBatch()
                for unit in units {
                    batch.beginUnit()
                    for (field, id) in unit {
                        let names = field.split(separator: "/").map { Name(String($0)) }
                        let packed = CounterField.pack(
                            client: names[0], test: names[1], variation: names[2], event: names[3])
                        (packed + Array((id ?? "").utf8)).withUnsafeBytes {
                            if let id {
                                batch.append(field: $0, idLength: id.utf8.count, count: 1)
                            } else {
                                batch.append(field: $0, count: 1)
                            }
                        }
                    }
                }
                self.lane.value.send(batch) { promise.succeed($0) }
            }
            return try await promise.futureResult.get()
        }

        func close() async throws { try await self.loop.submit { self.lane.value.close() }.get() }
    }

    private func verdicts(_ outcome: LaneOutcome) throws -> Verdicts {
        guard case .counted(let verdicts) = outcome else { throw TestSupportError("\(outcome)") }
        return verdicts
    }

    @Test("counts are sealed, read and acknowledged; the next ones go into a fresh batch")
    func roundTrip() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try self.verdicts(
            await lane.send([[("acme/cta/B/view", 2)], [("acme/cta/A/view", 1), ("acme/a b/é/buy", 5)]]))
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        try await buffer.seal()
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 10)]]))
        let pending = try await buffer.pending()
        #expect(pending.count == 1)
        guard case .batch(let id) = pending[0] else { Issue.record("no batch"); return }
        let batch = try #require(try await buffer.read(id))
        #expect(batch.total == 9)
        #expect(
            batch.documents == [
                DocumentCounts(client: "acme", test: "a b", counts: [.init(variation: "é", event: "buy", count: 5)]),
                DocumentCounts(
                    client: "acme", test: "cta",
                    counts: [
                        .init(variation: "A", event: "view", count: 1), .init(variation: "B", event: "view", count: 3),
                    ]),
            ])
        try await buffer.acknowledge(pending[0])
        try await buffer.acknowledge(pending[0])
        #expect(try await buffer.pending() == [])
        #expect(try await buffer.read(id) == nil)
        try await buffer.seal()
        let second = try await buffer.pending()
        #expect(second == [.batch(BatchID(epoch: id.epoch, number: 2))])
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("sealing nothing leaves nothing")
    func sealEmpty() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        try await buffer.seal()
        #expect(try await buffer.pending() == [])
        await buffer.shutdown()
    }

    @Test("a batch with the number that was applied gets the same verdicts and counts nothing; a gap is refused")
    func numbers() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis, bounds: NameBounds(testsPerClient: 1))
        try await buffer.ping()
        let epoch = try #require(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text)
        func call(_ number: String, _ field: String, epoch: String) async throws -> RedisReply {
            try await redis.command([
                "EVAL", RedisScript.track.source, "1", "{tally}:meta", "{tally}:", epoch, "lane", number, "10", "1",
                "10", "10",
                "1000", "", "acme\tcta\tB\tview", "1", field, "1",
            ])
        }
        #expect(try await call("1", "acme\tother\tB\tview", epoch: epoch).text == "1t1")
        #expect(try await call("1", "acme\tother\tB\tview", epoch: epoch).text == "1t1")
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "1")
        guard case .error(let gap) = try await call("3", "acme\tcta\tA\tview", epoch: epoch) else {
            Issue.record("no error"); return
        }
        #expect(gap.contains("TALLYGAP"))
        guard case .error(let stale) = try await call("2", "acme\tcta\tA\tview", epoch: "00000000000000ff") else {
            Issue.record("no error"); return
        }
        #expect(stale.contains("TALLYSTALE"))
        #expect(try await call("2", "acme\tcta\tA\tview", epoch: epoch).text == "")
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "3")
        await buffer.shutdown()
    }

    @Test("each bound refuses the unit that would pass it, as a whole, and its neighbours are counted")
    func bounds() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(
            redis, bounds: NameBounds(clients: 2, testsPerClient: 2, variationsPerTest: 2, eventsPerTest: 2))
        let lane = try await Lane(buffer)
        let outcome = try await lane.send([
            [("a/t/1/view", 1)], [("b/t/1/view", 1)], [("c/t/1/view", 1)],  // clients
            [("a/u/1/view", 1), ("a/v/1/view", 1)],  // tests: refused whole, so u is free again
            [("a/w/1/view", 1)],
            [("a/t/2/view", 1)], [("a/t/3/view", 1)],  // variations
            [("a/t/1/buy", 1)], [("a/t/1/sell", 1)],  // events
            [("a/t/1/view", 4)],
        ])
        #expect(
            try self.verdicts(outcome).exceptions == [
                .init(unit: 2, refusal: .tooManyClients, entry: 2), .init(unit: 3, refusal: .tooManyTests, entry: 4),
                .init(unit: 6, refusal: .tooManyVariations, entry: 7),
                .init(unit: 8, refusal: .tooManyEvents, entry: 9),
            ])
        // Known names go on counting, in this batch and after a seal.
        try await buffer.seal()
        #expect(
            try self.verdicts(await lane.send([[("a/t/2/buy", 1)], [("a/u/1/view", 1)], [("d/t/1/view", 1)]]))
                .exceptions == [
                    .init(unit: 1, refusal: .tooManyTests, entry: 1),
                    .init(unit: 2, refusal: .tooManyClients, entry: 2),
                ])
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("plain batches and others add up, on new counters and on known ones, with counts of any size")
    func plainAndOthers() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        let large: Int64 = 1 << 50
        for isPlain in [true, true, false, true] {
            let units: [[(String, Int64)]] = [[("acme/cta/A/view", 1)], [("acme/cta/B/view", large / 8)]]
            #expect(try self.verdicts(await lane.send(units, isPlain: isPlain)) == .allCounted)
        }
        // A request of one item beside single counts of the same counter: two units, one field.
        let units: [[(String, Int64)]] = [[("acme/cta/A/view", 10)], [("acme/cta/A/view", 100)]]
        #expect(try self.verdicts(await lane.send(units)) == .allCounted)
        try await buffer.seal()
        guard case .batch(let id) = try await buffer.pending()[0] else { Issue.record("no batch"); return }
        let counts = try #require(try await buffer.read(id)).documents[0].counts
        #expect(
            counts == [
                .init(variation: "A", event: "view", count: 114),
                .init(variation: "B", event: "view", count: large / 2),
            ])
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("a thousand new tests in one request fit into one script call")
    func manyNames() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        let unit = (0..<1_000).map { ("acme/test-\($0)/variation-\($0)/event-\($0)", Int64(1)) }
        #expect(try self.verdicts(await lane.send([unit])) == .allCounted)
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "1000")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("scripts that Redis has forgotten are loaded again")
    func scriptFlush() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        _ = try await redis.command(["SCRIPT", "FLUSH"])
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "2")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("a Redis that is full refuses, and counts again when there is room")
    func full() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try await redis.command(["CONFIG", "SET", "maxmemory", "1"])
        guard case .notCounted(let error) = try await lane.send([[("acme/cta/B/view", 1)]]) else {
            Issue.record("counted"); return
        }
        #expect(error.code == .refused)
        #expect(error.description.contains("OOM"))
        _ = try await redis.command(["CONFIG", "SET", "maxmemory", "0"])
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "1")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test(
        "a Redis that is full is flushed all the same, also after its epoch has changed: that is what makes room",
        arguments: RedisServer.Program.allCases)
    func flushedWhileFull(_ program: RedisServer.Program) async throws {
        let redis = try await RedisServer.start(program)
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        try await lane.close()
        _ = try await redis.command(["CONFIG", "SET", "maxmemory", "1"])
        func flush() async throws -> [PendingEntry] {
            let entries = try await buffer.withFlushLock {
                try await buffer.seal()
                let entries = try await buffer.pending()
                for entry in entries { try await buffer.acknowledge(entry, pace: .full) }
                return entries
            }
            return try #require(entries)
        }
        #expect(try await flush().count == 1)
        #expect(try await redis.command(["EXISTS", "{tally}:live"]) == .integer(0))
        #expect(try await redis.command(["EXISTS", "{tally}:flush-lock"]) == .integer(0))
        #expect(try await buffer.pending() == [])
        // As if it had been promoted; and a connection that says hello.
        #expect(try await redis.command(["HDEL", "{tally}:meta", "replid"]) == .integer(1))
        let other = self.buffer(redis)
        try await other.ping()
        guard case .epochClosed = try await flush().first else { Issue.record("no end"); return }
        for buffer in [buffer, other] { await buffer.shutdown() }
    }

    @Test("after a restart the live batch is sealed, its epoch closed, and a new one begun")
    func restart() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        let old = try #require(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text.flatMap { Epoch($0) })
        try await redis.kill()
        try await redis.restart()
        try await lane.waitUntilReady()
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        let new = try #require(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text.flatMap { Epoch($0) })
        #expect(new != old)
        try await eventually("the flush connection to be made anew") {
            try await buffer.seal()
            return true
        }
        #expect(
            try await buffer.pending() == [
                .batch(BatchID(epoch: old, number: 1)), .epochClosed(old), .batch(BatchID(epoch: new, number: 1)),
            ])
        try await lane.close()
        await buffer.shutdown()
    }

    @Test(
        "data that come in by replication under standing connections end the epoch before a count goes into them"
    )
    func exchanged() async throws {
        // Data are sent at once.
        let options = ["--repl-diskless-sync-delay", "0"]
        let redis = try await RedisServer.start(extra: options)
        let other = try await RedisServer.start(extra: options)
        let buffer = self.buffer(redis)
        let (idle, busy) = (try await Lane(buffer), try await Lane(buffer))
        _ = try self.verdicts(await idle.send([[("acme/cta/B/view", 1)]]))
        let old = try #require(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text.flatMap { Epoch($0) })
        let copy = try redis.snapshotData()
        _ = try self.verdicts(await busy.send([[("acme/cta/B/view", 1)]]))
        try await buffer.seal()
        let first = BatchID(epoch: old, number: 1)
        #expect(try await buffer.read(first)?.total == 2)

        try await other.terminate()
        try other.restoreData(from: copy)
        try await other.restart()
        try await redis.takeOver(dataOf: other)
        #expect(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text == old.description)
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "1")
        // This lane is at the number at which the copy knows it. The batch that it could go into is flushed by now.
        _ = try self.verdicts(await idle.send([[("acme/cta/B/view", 5)]]))
        #expect(try await buffer.pending() == [.batch(first), .epochClosed(old)])
        #expect(try await buffer.read(first)?.total == 1)
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "5")

        // And where the flush is the first that comes, and seals.
        try await redis.takeOver(dataOf: other)
        try await buffer.seal()
        #expect(try await buffer.pending() == [.batch(first)])
        _ = try self.verdicts(await idle.send([[("acme/cta/B/view", 7)]]))
        #expect(try await buffer.pending() == [.batch(first), .epochClosed(old)])
        #expect(try await redis.command(["HGET", "{tally}:live", "total"]).text == "7")
        for lane in [idle, busy] { try await lane.close() }
        await buffer.shutdown()
    }

    @Test("a prefix belongs to one store, and another deployment is refused with what to do")
    func ownership() async throws {
        let redis = try await RedisServer.start()
        let first = self.buffer(redis, owner: "embedded:1")
        try await first.ping()
        let second = self.buffer(redis, owner: "embedded:2")
        do {
            try await second.ping()
            Issue.record("two stores share a prefix")
        } catch let error as BufferError {
            #expect(error.code == .ownedByAnother)
            #expect(error.description.contains("REDIS_KEY_PREFIX"))
        }
        // What the message advises where the other one is gone for good: whoever comes then owns the prefix.
        _ = try await redis.command(["HDEL", "{tally}:meta", "owner"])
        let third = self.buffer(redis, owner: "embedded:3")
        try await third.ping()
        #expect(try await redis.command(["HGET", "{tally}:meta", "owner"]).text == "embedded:3")
        let again = self.buffer(redis, owner: "embedded:1")
        let refusal = await #expect(throws: BufferError.self) { try await again.ping() }
        #expect(refusal?.code == .ownedByAnother)
        let elsewhere = self.buffer(redis, owner: "embedded:2", prefix: "other")
        try await elsewhere.ping()
        for buffer in [first, second, third, again, elsewhere] { await buffer.shutdown() }
    }

    @Test("no key without the prefix is touched")
    func prefix() async throws {
        let redis = try await RedisServer.start()
        _ = try await redis.command(["SET", "mine", "1"])
        let buffer = self.buffer(redis, prefix: "shop")
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[("acme/cta/B/view", 1)]]))
        try await buffer.seal()
        let keys = try await redis.command(["KEYS", "*"]).array?.compactMap(\.text) ?? []
        #expect(keys.filter { !$0.hasPrefix("{shop}:") } == ["mine"])
        #expect(try await redis.command(["GET", "mine"]).text == "1")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("the flush lock is held for longer with every batch that is acknowledged, by its holder alone")
    func lockIsRenewed() async throws {
        let redis = try await RedisServer.start()
        let (first, second) = (self.buffer(redis), self.buffer(redis))
        let entry = PendingEntry.batch(BatchID(epoch: Epoch(1), number: 1))
        @Sendable func left() async throws -> Int64 {
            try await redis.command(["PTTL", "{tally}:flush-lock"]).integer ?? -2
        }
        try await second.acknowledge(entry)
        #expect(try await left() == -2)
        _ = try await first.withFlushLock {
            // As if most of its time had gone.
            try await redis.command(["PEXPIRE", "{tally}:flush-lock", "15000"])
            try await second.acknowledge(entry)
            #expect((1...15_000).contains(try await left()))
            try await first.acknowledge(entry)
            #expect(try await left() > 15_000)
        }
        #expect(try await left() == -2)
        await first.shutdown()
        await second.shutdown()
    }

    @Test("the flush lock keeps a second flusher away, and is given back")
    func lock() async throws {
        let redis = try await RedisServer.start()
        let first = self.buffer(redis)
        let second = self.buffer(redis)
        let inner = try await first.withFlushLock { try await second.withFlushLock { true } }
        #expect(inner == .some(nil))
        #expect(try await second.withFlushLock { true } == true)
        await first.shutdown()
        await second.shutdown()
    }

    @Test("a wrong password is said, and where to mend it")
    func wrongPassword() async throws {
        let redis = try await RedisServer.start(password: "secret word")
        let buffer = RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port, password: "guess"), keyPrefix: "tally",
            bounds: .standard, owner: "mongodb", eventLoop: Self.group.next(),
            logger: .silent)
        do {
            try await buffer.ping()
            Issue.record("let in")
        } catch let error as BufferError {
            #expect(error.code == .refused)
            #expect(error.description.contains("REDIS_URL"))
            #expect(!error.description.contains("guess"))
        }
        await buffer.shutdown()
    }
}
