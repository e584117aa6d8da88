import Logging
import NIOCore
import Synchronization
import TallyCore
import TallyFlush
import TallyTestSupport
import Testing

@testable import TallySQLite

/// A buffer that is put back to an older copy while a flush is on its way, and forward again before it ends: for the
/// time of one look a batch is not there.
private final class GoingBackAndForward: CounterBuffer {
    private let buffer: SQLiteBuffer
    private let hidden: Set<BatchID>
    /// For how many looks each of them is not there.
    private let looks: Int
    private let looked = Mutex<[BatchID: Int]>([:])

    init(_ buffer: SQLiteBuffer, hiding hidden: Set<BatchID>, for looks: Int) {
        self.buffer = buffer
        self.hidden = hidden
        self.looks = looks
    }

    var kind: String { self.buffer.kind }

    func read(_ id: BatchID) async throws -> SealedBatch? {
        let isHidden = self.looked.withLock { looked in
            looked[id, default: 0] += 1
            return self.hidden.contains(id) && looked[id, default: 0] <= self.looks
        }
        return isHidden ? nil : try await self.buffer.read(id)
    }

    func makeLane(on eventLoop: any EventLoop) -> any BufferLane { self.buffer.makeLane(on: eventLoop) }
    func seal() async throws { try await self.buffer.seal() }
    func pending() async throws -> [PendingEntry] { try await self.buffer.pending() }
    func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws {
        try await self.buffer.acknowledge(entry, pace: pace)
    }
    func withFlushLock<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result? {
        try await self.buffer.withFlushLock(body)
    }
    func ping() async throws { try await self.buffer.ping() }
    func ledger() async throws -> BufferLedger { try await self.buffer.ledger() }
}

/// A store that refuses one batch.
private final class Refusing: CounterStore {
    private let store: SQLiteStore
    private let refused: BatchID

    init(_ store: SQLiteStore, refusing refused: BatchID) {
        self.store = store
        self.refused = refused
    }

    var kind: String { self.store.kind }

    func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws {
        guard batch.id != self.refused else { throw StoreError(.unavailable, "away") }
        try await self.store.apply(batch, pace: pace, oldest: oldest)
    }

    func close(_ epoch: Epoch) async throws { try await self.store.close(epoch) }
    func recordFlush(at secondsSince1970: Int64) async throws {
        try await self.store.recordFlush(at: secondsSince1970)
    }
    func metrics(client: Name, test: Name?) async throws -> ClientMetrics? {
        try await self.store.metrics(client: client, test: test)
    }
    func clients() async throws -> [ClientSummary] { try await self.store.clients() }
    func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts] {
        try await self.store.hours(client: client, after: last)
    }
    func ping() async throws { try await self.store.ping() }
    func ledger() async throws -> [StoreLedgerEntry] { try await self.store.ledger() }
}

@Suite("A flush")
struct FlusherTests {
    private let directory = TemporaryDirectory()
    private let clock = TestClock()
    private let store: SQLiteStore
    private let buffer: SQLiteBuffer

    init() throws {
        let database = try EmbeddedDatabase(directory: self.directory.path)
        self.buffer = SQLiteBuffer(
            database: database, kind: "embedded", storeIsElsewhere: false, clock: self.clock.read)
        self.store = SQLiteStore(database: database, logger: .silent)
    }

    /// Four batches that wait.
    private func batches() async throws -> [BatchID] {
        let lane = try await TestLane.on(self.buffer)
        for count: Int64 in [1, 10, 100, 1_000] {
            #expect(try await lane.send(CountBatch(Hit(count: count))).isAllCounted)
            try await self.buffer.seal()
        }
        return try await self.buffer.batches().map(\.id)
    }

    private func flusher(_ buffer: any CounterBuffer, _ logger: Logger = .silent) -> Flusher {
        Flusher(buffers: [buffer], store: self.store, logger: logger, now: self.clock.read)
    }

    @Test("a batch that is gone for a moment is not passed over by those behind it", arguments: [1...1, 2...3, 1...4])
    func goneForAMoment(_ numbers: ClosedRange<Int>) async throws {
        let batches = try await self.batches()
        let buffer = GoingBackAndForward(self.buffer, hiding: Set(numbers.map { batches[$0 - 1] }), for: 1)
        _ = try await self.flusher(buffer).flush(isUrgent: true)
        #expect(try await self.store.total() == 1_111)
        #expect(try await self.buffer.pending().isEmpty)
    }

    @Test("what was moved before the store refused a batch is reported with the failure")
    func failsInTheMiddle() async throws {
        let batches = try await self.batches()
        let flusher = Flusher(
            buffers: [self.buffer], store: Refusing(self.store, refusing: batches[2]), logger: .silent,
            now: self.clock.read)
        let failure = await #expect(throws: FlushError.self) { _ = try await flusher.flush(isUrgent: true) }
        #expect(failure?.report.batches == 2 && failure?.report.total == 11)
        #expect(failure?.storeError?.code == .unavailable)
        // Each is reported once.
        let rest = try await self.flusher(self.buffer).flush(isUrgent: true)
        #expect(rest.batches == 2 && rest.total == 1_100)
    }

    @Test("what is listed and never there does not keep a flush from ending, and is told")
    func neverThere() async throws {
        let batches = try await self.batches()
        let buffer = GoingBackAndForward(self.buffer, hiding: Set(batches[1...2]), for: .max)
        let log = LogRecorder()
        _ = try await self.flusher(buffer, log.logger).flush(isUrgent: true)
        #expect(try await self.store.total() == 1_001)
        let told = log.lines.filter { $0.metadata["event"] == "batch_gone" }
        #expect(told.compactMap { $0.metadata["batch"].map { "\($0)" } } == batches[1...2].map { "\($0)" })
        #expect(told.allSatisfy { $0.level == .warning })
    }

    @Test(
        "a store that was put back into the middle of a batch does not wait for it where the buffer has it no more",
        arguments: [false, true])
    func storeWentBack(isListed: Bool) async throws {
        let batches = try await self.batches()
        let log = LogRecorder()
        let directory = TemporaryDirectory()
        let database = try EmbeddedDatabase(directory: directory.path)
        let store = SQLiteStore(database: database, logger: log.logger)
        try await database.pool.write { db in
            try db.execute(
                sql: "INSERT INTO store_epochs VALUES (?, 'embedded', 0, 0, 1, 'a', 'a', NULL)",
                arguments: [batches[0].epoch.description])
        }
        // Gone from the list, or listed and never there.
        if !isListed { try await self.buffer.acknowledge(.batch(batches[0])) }
        let buffer = GoingBackAndForward(self.buffer, hiding: [batches[0]], for: .max)
        let flusher = Flusher(buffers: [buffer], store: store, logger: log.logger, now: self.clock.read)
        let report = try await flusher.flush(isUrgent: true)
        #expect(report.total == 1_110)
        #expect(try await store.total() == 1_110)
        let told = log.lines.filter { $0.metadata["event"] == "batches_missing" }
        #expect(told.map { $0.metadata["applying"] } == ["2"])
    }
}
