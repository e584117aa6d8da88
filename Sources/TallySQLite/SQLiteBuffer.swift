import GRDB
public import NIOCore
import Synchronization
public import TallyCore

/// The buffer in the embedded file: the only one where no Redis is configured, and the spool where Redis is away.
///
/// Counts of the current hour go into the live batch; sealing gives it a number and begins the next. A file holds one
/// buffer, whatever it is called: what was counted under one configuration is flushed under the next.
public final class SQLiteBuffer: CounterBuffer {
    public let kind: String

    private let database: EmbeddedDatabase
    private let transactions: BufferTransactions
    private let writer: CountWriter
    private let isFlushing = Mutex(false)

    /// Rows of acknowledged batches that one transaction removes, so that counts need not wait long behind it.
    static func rowsRemovedAtOnce(_ gait: FlushPace.Gait) -> Int64 {
        switch gait {
        case .full: 250
        case .considerate: 128
        }
    }

    /// - Parameters:
    ///   - kind: `embedded` or `spool`.
    ///   - storeIsElsewhere: true where the store is not in the same file. A file may be an old copy that was put back, so
    ///     the first write after every opening then begins a new epoch. Buffer and store in one file are put back
    ///     together, and keep theirs, unless that was begun for a store elsewhere, which may have gone further in it.
    ///   - clock: seconds since 1970, UTC.
    ///   - maximumBytes: how many bytes of counters may wait before more are refused; nil for as many as the disk takes.
    ///   - maximumFieldsPerBatch: a live batch with that many counters is sealed before more is counted. It may exceed
    ///     this by what one lane's batch adds.
    public init(
        database: EmbeddedDatabase, kind: String, bounds: NameBounds = .standard,
        eventIDs: EventIDBounds = .standard, storeIsElsewhere: Bool, maximumBytes: Int64? = nil,
        clock: @escaping @Sendable () -> Int64 = Timestamp.now, maximumFieldsPerBatch: Int = 100_000
    ) {
        self.kind = kind
        self.database = database
        self.transactions = BufferTransactions(
            epochToLeave: storeIsElsewhere || database.epochAtOpening.isElsewhere ? database.epochAtOpening.epoch : nil,
            storeIsElsewhere: storeIsElsewhere, clock: clock)
        self.writer = CountWriter(
            database: database, transactions: self.transactions, bounds: bounds, eventIDs: eventIDs,
            maximumFieldsPerBatch: maximumFieldsPerBatch, room: maximumBytes.map { SpoolRoom(maximumBytes: $0) })
    }

    public func makeLane(on eventLoop: any EventLoop) -> any BufferLane {
        SQLiteBufferLane(eventLoop: eventLoop, writer: self.writer)
    }

    public func seal() async throws {
        try await self.write("sealing the batch") { [transactions] db in
            try transactions.run(db) { state, now in
                try PendingBatches.discardApplied(db)
                try state.seal(db, now: now)
            }
        }
        FailPoint.reach(.afterSeal)
    }

    public func pending() async throws -> [PendingEntry] {
        try await self.read("listing the pending batches") { try PendingBatches.entries($0) }
    }

    public func read(_ id: BatchID) async throws -> SealedBatch? {
        let kind = self.kind
        return try await self.read("reading a pending batch") { try PendingBatches.read(id, buffer: kind, $0) }
    }

    /// Forgets the entry in one small transaction, and then removes its rows, and those that an earlier removal left
    /// behind, a few at a time.
    public func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws {
        try await self.write("acknowledging a batch") { [transactions] db in
            try PendingBatches.discard(entry, storeIsElsewhere: transactions.storeIsElsewhere, db)
        }
        while await self.removeDiscardedRows(Self.rowsRemovedAtOnce(pace.gait)) { await self.database.pause(pace) }
    }

    public func withFlushLock<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result? {
        let isMine = self.isFlushing.withLock { isFlushing in
            defer { isFlushing = true }
            return !isFlushing
        }
        guard isMine else { return nil }
        defer { self.isFlushing.withLock { $0 = false } }
        return try await body()
    }

    /// Takes the write lock and reads where the buffer stands.
    public func ping() async throws {
        try await self.write("reaching the file") { db in _ = try BufferState.load(db) }
    }

    public func ledger() async throws -> BufferLedger {
        try await self.read("reading the totals") { [transactions] db in
            try BufferLedger(db, storeIsElsewhere: transactions.storeIsElsewhere)
        }
    }

    /// What the counters that wait here take, in bytes, by the measure that bounds a spool.
    /// - Throws: `BufferError`.
    public func bytesInUse() async throws -> Int64 {
        try await self.read("measuring the buffer") { try SpoolRoom.bytesInUse(BufferState.load($0), $0) }
    }

    /// Whether there may be more to remove. A failure is left to the next acknowledgement: the batch is already
    /// forgotten, and its rows are in nobody's way.
    private func removeDiscardedRows(_ maximumRows: Int64) async -> Bool {
        let removed = try? await self.write("removing flushed counts") { db in
            try PendingBatches.removeDiscarded(db, maximumRows: maximumRows)
        }
        return removed ?? false
    }

    private func write<Result: Sendable>(
        _ attempt: String, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        do {
            return try await self.database.write(body)
        } catch {
            throw BufferError(attempt, error)
        }
    }

    private func read<Result: Sendable>(
        _ attempt: String, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        do {
            return try await self.database.read(body)
        } catch {
            throw BufferError(attempt, error)
        }
    }
}
