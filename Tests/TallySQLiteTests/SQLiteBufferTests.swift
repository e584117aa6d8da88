import GRDB
import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallySQLite

@Suite("The embedded buffer")
struct SQLiteBufferTests {
    private let directory = TemporaryDirectory()
    private let clock = TestClock()
    private let database: EmbeddedDatabase
    private let buffer: SQLiteBuffer

    init() throws {
        self.database = try EmbeddedDatabase(directory: self.directory.path)
        self.buffer = SQLiteBuffer(
            database: self.database, kind: "embedded", storeIsElsewhere: false, clock: self.clock.read,
            maximumFieldsPerBatch: 5)
    }

    private func rows() throws -> Int {
        try self.database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM counts") ?? -1 }
    }

    @Test("gives back what was counted, grouped and sorted by bytes")
    func roundTrip() async throws {
        let lane = try await TestLane.on(self.buffer)
        let outcome = try await lane.send(
            CountBatch(
                Hit(client: "b", count: 2), Hit(client: "B", count: 3), Hit(variation: "B", event: "buy", count: 4),
                Hit(variation: "B", count: 5), Hit(variation: "B", count: 6)))
        #expect(outcome.isAllCounted)
        try await self.buffer.seal()
        let batch = try #require(try await self.buffer.batches().first)
        #expect(batch.id.number == 1)
        #expect(batch.hour == Hour(containing: self.clock.now))
        #expect(batch.sealedAt == self.clock.now)
        #expect(batch.buffer == "embedded")
        #expect(
            batch.documents == [
                DocumentCounts(client: "B", test: "cta", counts: [.init(variation: "A", event: .view, count: 3)]),
                DocumentCounts(
                    client: "acme", test: "cta",
                    counts: [
                        .init(variation: "B", event: "buy", count: 4), .init(variation: "B", event: .view, count: 11),
                    ]),
                DocumentCounts(client: "b", test: "cta", counts: [.init(variation: "A", event: .view, count: 2)]),
            ])
    }

    @Test("keeps every name byte for byte, and apart from those that look the same", arguments: [0, 1, 2])
    func names(position: Int) async throws {
        let lane = try await TestLane.on(self.buffer)
        for (index, name) in namesThatHurt.enumerated() {
            var hit = Hit(count: Int64(index) + 1)
            switch position {
            case 0: hit.test = name
            case 1: hit.variation = name
            default: hit.event = name
            }
            // The bound of 20 events is not what this is about.
            if position == 2 { hit.test = Name("t\(index % 2)") }
            #expect(try await lane.send(CountBatch(hit)).isAllCounted)
        }
        let store = SQLiteStore(database: self.database, logger: .silent)
        try await self.buffer.flush(to: store)
        let counters = try await store.counters()
        #expect(counters.count == namesThatHurt.count)
        for (index, name) in namesThatHurt.enumerated() {
            let field =
                switch position {
                case 0: CounterField.pack(client: "acme", test: name, variation: "A", event: .view)
                case 1: CounterField.pack(client: "acme", test: "cta", variation: name, event: .view)
                default: CounterField.pack(client: "acme", test: Name("t\(index % 2)"), variation: "A", event: name)
                }
            #expect(counters[field] == Int64(index) + 1)
        }
    }

    @Test("seals nothing where nothing was counted")
    func sealsNothing() async throws {
        try await self.buffer.seal()
        #expect(try await self.buffer.pending().isEmpty)
    }

    @Test("numbers batches without gaps, oldest first")
    func numbers() async throws {
        let lane = try await TestLane.on(self.buffer)
        for _ in 0..<3 {
            _ = try await lane.send(CountBatch(Hit()))
            try await self.buffer.seal()
            try await self.buffer.seal()
        }
        #expect(try await self.buffer.batches().map(\.id.number) == [1, 2, 3])
        #expect(Set(try await self.buffer.batches().map(\.id.epoch)).count == 1)
    }

    @Test("seals when the hour is another, be it later or earlier", arguments: [3600, -3600, 7200] as [Int64])
    func hourChange(step: Int64) async throws {
        let lane = try await TestLane.on(self.buffer)
        _ = try await lane.send(CountBatch(Hit(count: 2)))
        let first = Hour(containing: self.clock.now)
        self.clock.now += step
        _ = try await lane.send(CountBatch(Hit(count: 3)))
        try await self.buffer.seal()
        let batches = try await self.buffer.batches()
        #expect(batches.map(\.hour) == [first, Hour(containing: self.clock.now)])
        #expect(batches.map(\.total) == [2, 3])
    }

    @Test("keeps counting into one batch within the hour")
    func sameHour() async throws {
        self.clock.now = 1_800_000_000  // the beginning of an hour
        let lane = try await TestLane.on(self.buffer)
        _ = try await lane.send(CountBatch(Hit()))
        self.clock.now += 3599
        _ = try await lane.send(CountBatch(Hit()))
        try await self.buffer.seal()
        #expect(try await self.buffer.batches().map(\.total) == [2])
    }

    @Test("seals a batch that has as many counters as it may")
    func maximumFields() async throws {
        let lane = try await TestLane.on(self.buffer)
        for index in 0..<12 {
            _ = try await lane.send(CountBatch(Hit(variation: Name("\(index)")), Hit(variation: "0")))
        }
        try await self.buffer.seal()
        let batches = try await self.buffer.batches()
        #expect(batches.reduce(0) { $0 + $1.total } == 24)
        #expect(batches.allSatisfy { $0.counters <= 6 })
        #expect(batches.count == 3)
    }

    @Test("forgets a batch that is acknowledged, once, and keeps the others")
    func acknowledge() async throws {
        let lane = try await TestLane.on(self.buffer)
        for _ in 0..<2 {
            _ = try await lane.send(CountBatch(Hit()))
            try await self.buffer.seal()
        }
        _ = try await lane.send(CountBatch(Hit()))
        let entries = try await self.buffer.pending()
        for _ in 0..<2 {
            try await self.buffer.acknowledge(entries[0])
            #expect(try await self.buffer.pending() == [entries[1]])
        }
        #expect(try self.rows() == 2)
        guard case .batch(let id) = entries[0] else { return }
        #expect(try await self.buffer.read(id) == nil)
        #expect(try await self.buffer.ledger().live == 1)
    }

    @Test("removes the rows of a large batch in parts, all of them")
    func removal() async throws {
        let buffer = SQLiteBuffer(
            database: self.database, kind: "embedded", bounds: NameBounds(testsPerClient: 10_000),
            storeIsElsewhere: false,
            clock: self.clock.read)
        let lane = try await TestLane.on(buffer)
        let count = Int(SQLiteBuffer.rowsRemovedAtOnce(.full)) * 2 + 1
        let hits = (0..<count).map { [Hit(test: Name("t\($0)"))] }
        #expect(try await lane.send(CountBatch(units: hits)).isAllCounted)
        try await buffer.seal()
        _ = try await lane.send(CountBatch(Hit()))
        try await buffer.acknowledge(try #require(try await buffer.pending().first))
        #expect(try self.rows() == 1)
    }

    @Test("removes what a removal that was cut off left behind")
    func removalAfterCrash() async throws {
        let lane = try await TestLane.on(self.buffer)
        for _ in 0..<2 {
            _ = try await lane.send(CountBatch(Hit()))
            try await self.buffer.seal()
        }
        let entries = try await self.buffer.pending()
        try await self.database.write { try PendingBatches.discard(entries[0], storeIsElsewhere: false, $0) }
        #expect(try self.rows() == 2)
        try await self.buffer.acknowledge(entries[1])
        #expect(try self.rows() == 0)
    }

    @Test("does not offer again what the store in the same file has finished")
    func discardsApplied() async throws {
        let lane = try await TestLane.on(self.buffer)
        _ = try await lane.send(CountBatch(Hit()))
        try await self.buffer.seal()
        let store = SQLiteStore(database: self.database, logger: .silent)
        try await store.apply(try #require(try await self.buffer.batches().first))
        _ = try await lane.send(CountBatch(Hit(count: 5)))
        try await self.buffer.seal()
        #expect(try await self.buffer.batches().map(\.total) == [5])
    }

    @Test("lets one flusher in at a time, and the next one when it has left, even by an error")
    func flushLock() async throws {
        struct Stop: Error {}
        let buffer = self.buffer
        let outer = try await buffer.withFlushLock { try await buffer.withFlushLock { 1 } == nil }
        #expect(outer == true)
        await #expect(throws: Stop.self) { _ = try await buffer.withFlushLock { throw Stop() } as Int? }
        #expect(try await buffer.withFlushLock { 2 } == 2)
    }

    @Test("refuses a batch whose counts would leave 64 bits, and counts its neighbours")
    func overflow() async throws {
        let lanes = [try await TestLane.on(self.buffer), try await TestLane.on(self.buffer)]
        #expect(try await lanes[0].send(CountBatch(Hit(count: .max - 10))).isAllCounted)
        async let first = lanes[0].send(CountBatch(Hit(count: 11)))
        async let second = lanes[1].send(CountBatch(Hit(count: 3)))
        #expect(try await first.notCounted?.code == .refused)
        #expect(try await second.isAllCounted)
        #expect(try await lanes[0].send(CountBatch(Hit(count: .max), Hit(count: .max))).notCounted?.code == .refused)
        try await self.buffer.seal()
        #expect(try await self.buffer.batches().map(\.total) == [.max - 7])
    }

    @Test(
        "refuses a batch that is not packed as it should be",
        arguments: ["a\tb\tc", "a\tb\tc\td\te", "a\t\tc\td", "a\tb\tc\t", "\tb\tc\td", ""])
    func malformed(field: String) async throws {
        let lane = try await TestLane.on(self.buffer)
        var batch = CountBatch(Hit())
        batch.beginUnit()
        _ = Array(field.utf8).withUnsafeBytes { batch.append(field: $0, count: 1) }
        #expect(try await lane.send(batch).notCounted?.code == .malformed)
        #expect(try await self.buffer.ledger().live == 0)
    }

    @Test("refuses counts that are not positive", arguments: [0, -1, .min] as [Int64])
    func notPositive(count: Int64) async throws {
        let lane = try await TestLane.on(self.buffer)
        #expect(try await lane.send(CountBatch(Hit(), Hit(count: count))).notCounted?.code == .malformed)
        #expect(try await self.buffer.ledger().live == 0)
    }

    @Test("counts nothing while the disk is full, says so, and goes on when there is room again")
    func diskFull() async throws {
        let lane = try await TestLane.on(self.buffer)
        #expect(try await lane.send(CountBatch(Hit(count: 7))).isAllCounted)
        try await self.database.pool.writeWithoutTransaction { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        let large = CountBatch(
            units: (0..<500).map { [Hit(test: Name("\($0 % 50)"), variation: Name("a rather long name, \($0)"))] })
        let refused = try #require(try await lane.send(large).notCounted)
        #expect(refused.code == .refused)
        #expect(refused.description.contains("full"))
        #expect(try await self.buffer.ledger().live == 7)
        #expect(try self.rows() == 1)
        try await self.database.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await lane.send(large).isAllCounted)
        #expect(try await self.buffer.ledger().live == 507)
    }

    @Test("waits for another process's transaction, and says who is in the way when it takes too long")
    func busy() async throws {
        let impatient = try EmbeddedDatabase(directory: self.directory.path, busyTimeout: .milliseconds(1))
        let buffer = SQLiteBuffer(database: impatient, kind: "embedded", storeIsElsewhere: false)
        let lane = try await TestLane.on(buffer)
        let other = try OtherProcess(self.database.path)
        try other.lock()
        #expect(try await lane.send(CountBatch(Hit())).notCounted?.code == .unavailable)
        try other.unlock()
        #expect(try await lane.send(CountBatch(Hit())).isAllCounted)
    }

    @Test("answers a lane once: when it is closed early, as unknown")
    func closedLane() async throws {
        let buffer = self.buffer
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let outcomes = eventLoop.makePromise(of: [Bool].self)
        eventLoop.execute {
            let lane = buffer.makeLane(on: eventLoop)
            var unknown: [Bool] = []
            #expect(lane.isReady && lane.isConnected)
            lane.send(CountBatch(Hit())) { outcome in
                if case .unknown = outcome { unknown.append(true) } else { unknown.append(false) }
            }
            #expect(!lane.isReady && lane.isConnected)
            lane.close()
            #expect(!lane.isReady && !lane.isConnected)
            lane.send(CountBatch(Hit())) { outcome in #expect(outcome.notCounted != nil) }
            // A second lane's answer comes after the first one's would have.
            let second = buffer.makeLane(on: eventLoop)
            var changes = 0
            second.onStateChange = {
                changes += 1
                #expect(second.isReady && changes == 1)
                outcomes.succeed(unknown)
            }
            second.send(CountBatch(Hit())) { _ in }
        }
        #expect(try await outcomes.futureResult.get() == [true])
    }

    @Test("does not give out a batch whose counts are not those that were sealed")
    func damaged() async throws {
        let lane = try await TestLane.on(self.buffer)
        #expect(try await lane.send(CountBatch(Hit(count: 5), Hit(test: "other", count: 6))).isAllCounted)
        try await self.buffer.seal()
        let id = try #require(try await self.buffer.batches().first?.id)
        try await self.database.pool.write { try $0.execute(sql: "DELETE FROM counts WHERE test = 'other'") }
        let error = await #expect(throws: BufferError.self) { try await self.buffer.read(id) }
        #expect(error?.code == .malformed)
        #expect(error?.description.contains("add up to 5, and 11 were sealed") == true, "\(error as Any)")
        #expect(try await self.buffer.pending() == [.batch(id)])
    }
}
