import GRDB
public import Logging
public import TallyCore

/// The store in the embedded file.
public final class SQLiteStore: CounterStore {
    public let kind = "embedded"

    private let database: EmbeddedDatabase
    private let logger: Logger
    private let clock: @Sendable () -> Int64
    /// Set by tests alone; else the pace decides.
    private let chunk: BatchApplication.ChunkSize?

    /// - Parameter clock: seconds since 1970, UTC.
    public convenience init(
        database: EmbeddedDatabase, logger: Logger, clock: @escaping @Sendable () -> Int64 = Timestamp.now
    ) {
        self.init(database: database, logger: logger, clock: clock, chunk: nil)
    }

    init(
        database: EmbeddedDatabase, logger: Logger, clock: @escaping @Sendable () -> Int64,
        chunk: BatchApplication.ChunkSize?
    ) {
        self.database = database
        self.logger = logger
        self.clock = clock
        self.chunk = chunk
    }

    /// 32 hexadecimal digits that name this store and no other, drawn when its file was made.
    public var storeID: String { self.database.storeID }

    /// Applies the batch in several transactions, so that counts that go into the same file need not wait long; each
    /// records how far it came, and the next goes on there, whoever runs it.
    public func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws {
        try BatchApplication.checkOrder(of: batch)
        while try await !self.applyChunk(of: batch, pace: pace, oldest: oldest) {
            FailPoint.reach(.midBulk)
            await self.database.pause(pace)
        }
    }

    /// Returns true when the batch is finished.
    func applyChunk(of batch: SealedBatch, pace: FlushPace = .full, oldest: Int64? = nil) async throws -> Bool {
        let chunk = self.chunk ?? BatchApplication.ChunkSize(pace.gait)
        let outcome = try await self.write("applying a batch") { db in
            try BatchApplication.applyChunk(of: batch, oldest: oldest, size: chunk, db)
        }
        if let gap = outcome.gap { self.report(gap, before: batch.id) }
        return outcome.isFinished
    }

    private func report(_ gap: BatchApplication.Gap, before batch: BatchID) {
        let partial =
            gap.partialNumber == 0
            ? "" : " (of number \(gap.partialNumber) a part is there; the rest is gone from the buffer)"
        self.logger.log(
            .batchesMissing,
            "batches of this epoch are missing from the store, and their counts\(partial): was it restored from a backup?",
            [
                .epoch: batch.epoch.description, .lastApplied: String(gap.lastNumber),
                .applying: String(batch.number),
            ])
    }

    public func close(_ epoch: Epoch) async throws {
        let now = self.clock()
        try await self.write("closing an epoch") { db in
            let statement = try SQLStatement(
                db, "UPDATE store_epochs SET closed_at = coalesce(closed_at, ?) WHERE epoch = ?")
            statement.bind(1, now)
            statement.bind(2, epoch.description)
            try statement.run()
        }
    }

    public func recordFlush(at secondsSince1970: Int64) async throws {
        try await self.write("recording a flush") { db in
            // Of two flushes at once the later one stays, in whatever order they end.
            let statement = try SQLStatement(
                db, "UPDATE store_state SET flushed_at = max(coalesce(flushed_at, ?1), ?1)")
            statement.bind(1, secondsSince1970)
            try statement.run()
        }
    }

    public func metrics(client: Name, test: Name?) async throws -> ClientMetrics? {
        try await self.read("reading the metrics") { try StoredMetrics.read(client: client, test: test, $0) }
    }

    public func clients() async throws -> [ClientSummary] {
        try await self.read("listing the clients") { try StoredMetrics.clients($0) }
    }

    public func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts] {
        try await self.read("reading the hours") { try StoredHours.read(client: client, after: last, $0) }
    }

    public func ping() async throws {
        try await self.read("reaching the file") { db in
            _ = try SQLStatement(db, "SELECT flushed_at FROM store_state").first { $0.integerOrNil(0) }
        }
    }

    public func ledger() async throws -> [StoreLedgerEntry] {
        try await self.read("reading the totals") { try StoreLedgerEntry.all($0) }
    }

    private func write<Result: Sendable>(
        _ attempt: String, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        do {
            return try await self.database.write(body)
        } catch {
            throw StoreError(attempt, error)
        }
    }

    private func read<Result: Sendable>(
        _ attempt: String, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        do {
            return try await self.database.read(body)
        } catch {
            throw StoreError(attempt, error)
        }
    }
}
