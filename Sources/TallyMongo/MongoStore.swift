public import Logging
public import TallyCore

/// The store on MongoDB: one collection per client, one document per test, and the hours of every day beside it.
///
/// Everything that waits for MongoDB waits on threads of the driver's own (`MongoDriver`), so all of this may be called
/// from anywhere. Needs MongoDB 4.4 or later, a replica set or a single server; uses no transactions.
///
/// - `<client>`: `{_id: <test>, variations: {<name>: n}, total, events: {<event>: {<name>: n}}, firstTrackedAt,
///   updatedAt, applied}`
/// - `<client>.hourly`: `{_id: {test, day}, hours: {"00"…"23": {<event>: {<variation>: n}}}, updatedAt, applied}`
/// - `tally.epochs`: see `EpochLedger`
/// - `tally.deadletters`: see `DeadLetter`
/// - `tally.state`: `{_id: "flush", flushedAt}`
///
/// `applied` holds for every epoch the number of the last batch that the document has, and a `floor`: nothing of an
/// epoch up to this ordinal is applied any more.
public final class MongoStore: CounterStore {
    static let stateCollection = "tally.state"

    public let kind = "mongodb"

    let driver: MongoDriver
    let logger: Logger
    private let epochs: EpochLedger
    private let letters: DeadLetters
    private let writer: BatchWriter

    /// Reads the connection string; looks for servers when something is asked.
    /// - Parameter uri: any MongoDB connection string; its path names the database, else `tally`. Write concern, read
    ///   concern and read preference are tally's own: `w: majority, j: true` within 10 s, `majority`, `primary`.
    /// - Throws: `StoreError`, in the driver's words, never with the password.
    public init(uri: String, logger: Logger) throws(StoreError) {
        self.driver = try MongoDriver(uri: uri, logger: logger)
        self.logger = logger
        self.epochs = EpochLedger(driver: self.driver, logger: logger)
        self.letters = DeadLetters(driver: self.driver)
        self.writer = BatchWriter(driver: self.driver, letters: self.letters, logger: logger)
    }

    /// Waits for what is under way and ends the driver's threads. To be called before the store is let go; whatever is
    /// asked later throws.
    public func shutdown() async { await self.driver.shutdown() }

    /// What a document has it knows by itself, so a batch that is applied in part keeps none behind it waiting.
    public func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws {
        guard let epoch = try await self.epochs.begin(batch) else { return }
        let record = epoch.record
        if batch.id.number > max(record.lastNumber, batch.finishedElsewhere) + 1 {
            self.logger.log(
                .batchesMissing,
                "batches of this epoch are missing from the store, and their counts: was it restored from a backup?",
                [
                    .epoch: batch.id.epoch.description, .lastApplied: String(record.lastNumber),
                    .applying: String(batch.id.number),
                ])
        }
        let update = CountUpdate(
            batch: BatchID(epoch: record.epoch, number: batch.id.number), ordinal: record.ordinal,
            horizon: epoch.horizon, hour: batch.hour, sealedAt: batch.sealedAt)
        try await self.writer.write(batch.documents, as: update, behind: epoch.waiting.documents, pace: pace)
        try await self.epochs.finish(update.batch, total: batch.total)
    }

    public func ledger() async throws -> [StoreLedgerEntry] { try await self.epochs.entries() }

    public func deadLetters() async throws -> [DeadLetterQueue] { try await self.letters.queues() }

    public func replayDeadLetters() async throws -> DeadLetterReport {
        try await DeadLetterReplay(driver: self.driver, letters: self.letters).run()
    }

    public func close(_ epoch: Epoch) async throws { try await self.epochs.close(epoch) }

    /// Epochs that have gone silent with nobody to close them.
    /// - Throws: `StoreError`.
    public func stuckEpochs() async throws -> [StuckEpoch] { try await self.epochs.stuck() }

    public func recordFlush(at secondsSince1970: Int64) async throws {
        // Here, where all that the buffers had is in: what they still have of an old epoch has been heard by now.
        try await self.epochs.closeSilent()
        try await self.driver.run { connection throws(MongoError) in
            // Two first flushes may meet as an insert; the second attempt finds the other's document.
            for _ in 1...2 {
                let count = try connection.update(Self.stateCollection, attempted: "record the flush") {
                    $0.document("q") { $0.string("_id", "flush") }
                    $0.document("u") {
                        $0.document("$max") { $0.date("flushedAt", secondsSince1970: secondsSince1970) }
                    }
                    $0.bool("upsert", true)
                }
                if count > 0 { return }
            }
        }
    }

    public func ping() async throws {
        try await self.driver.run { connection throws(MongoError) in
            let attempted = "find a primary that takes writes"
            _ = try connection.command(BSONWriter.document { $0.int32("ping", 1) }, attempted: attempted)
            let hello = try connection.command(BSONWriter.document { $0.int32("hello", 1) }, attempted: attempted)
            guard case .bool(true) = try? hello.value("isWritablePrimary") else {
                throw MongoError(
                    .serverSelection, code: 0, message: "the server that answered takes no writes", attempted: attempted
                )
            }
        }
    }
}
