import Logging
import TallyCore

/// What the ledger says of one epoch.
struct EpochRecord: Sendable, Equatable {
    let epoch: Epoch
    /// `redis`, `embedded`, `spool`.
    let buffer: String
    /// From 1, in the order in which the store first met the epochs, without gaps.
    let ordinal: Int64
    /// The last batch that is finished on every document.
    let lastNumber: Int64
    /// The sum of all finished batches, those of their counts included that documents refused (`DeadLetters`).
    let total: Int64
    let isClosed: Bool
}

/// All that must be known before a batch is applied, each part read after the one before it.
struct OpenEpoch: Sendable {
    let record: EpochRecord
    let waiting: DeadLetters.Waiting
    let horizon: EpochHorizon
}

/// Up to where marks can be pruned.
struct EpochHorizon: Sendable, Equatable {
    /// Every epoch of this ordinal or a lower one is closed, and none of its counts wait as dead letters, whose replay
    /// it would turn into a no-op: 0 where there is none.
    let floor: Int64
    /// The latest of the epochs up to the floor, at most `EpochLedger.prunedAtOnce`.
    let closed: [Epoch]
}

/// The store's record of every buffer's epochs, in `tally.epochs`:
/// `{_id: "<16 hexadecimal digits>", ordinal, buffer, openedAt, lastNumber, total, closedAt}`.
///
/// It is read before every batch and nothing of it is kept in memory, so that a store that was restored from a backup
/// under a running tally is met as it is. All of it goes through the majority: a record that is read cannot go away.
struct EpochLedger: Sendable {
    static let collection = "tally.epochs"
    /// How many closed epochs' marks an update removes from a document at once, at most. Every update carries their
    /// names, 24 bytes each. A document that was left alone while more epochs than these came and went keeps the
    /// older marks: 26 bytes each, and harmless.
    static let prunedAtOnce: Int32 = 32

    let driver: MongoDriver
    let logger: Logger

    /// The epoch's record, made where there is none yet, with the dead letters and the horizon that held when it was
    /// read.
    /// - Throws: `StoreError`.
    func open(
        _ epoch: Epoch, buffer: String, at secondsSince1970: Int64
    ) async throws(StoreError) -> OpenEpoch {
        // Each attempt fails only where another registration succeeded meanwhile, or where a new primary does not yet
        // know what the majority has; a few are plenty.
        for attempt in 1...20 {
            if let found = try await self.find(epoch) { return found }
            try await self.driver.run { connection throws(MongoError) in
                try Self.register(epoch, buffer: buffer, at: secondsSince1970, with: connection)
            }
            if attempt > 2 { try? await Task.sleep(for: .milliseconds(25 * attempt)) }
        }
        throw StoreError(
            .unavailable,
            "MongoDB at \(self.driver.hosts): could not register a new epoch in \(Self.collection): another one was "
                + "always first. The batch stays pending.")
    }

    /// Records that the batch is finished on every document, once, and adds its counts to the epoch's total.
    /// - Throws: `StoreError`.
    func finish(_ batch: BatchID, total: Int64) async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            // Not found means that another flusher has recorded it.
            _ = try connection.update(Self.collection, attempted: "record a batch as finished") {
                $0.document("q") {
                    $0.string("_id", batch.epoch.description)
                    $0.document("lastNumber") { $0.int64("$lt", batch.number) }
                }
                $0.document("u") {
                    $0.document("$set") { $0.int64("lastNumber", batch.number) }
                    $0.document("$inc") { $0.int64("total", total) }
                }
            }
        }
    }

    /// Records that the epoch is over. Does nothing where it is already, or where nothing was ever applied of it.
    /// - Throws: `StoreError`.
    func close(_ epoch: Epoch) async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            _ = try connection.update(Self.collection, attempted: "record an epoch as closed") {
                $0.document("q") {
                    $0.string("_id", epoch.description)
                    $0.document("closedAt") { $0.bool("$exists", false) }
                }
                $0.document("u") { $0.document("$currentDate") { $0.bool("closedAt", true) } }
            }
        }
    }

    /// All epochs, with what of their totals waits as dead letters.
    /// - Throws: `StoreError`.
    func entries() async throws(StoreError) -> [StoreLedgerEntry] {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(Self.collection, attempted: "read the epochs") { _ in }
            let records = try documents.map { document throws(MongoError) in try EpochRecord(document) }
            let letters = try DeadLetters.sums(connection)
            return records.map { record in
                StoreLedgerEntry(
                    epoch: record.epoch, buffer: record.buffer, lastNumber: record.lastNumber, total: record.total,
                    deadLettered: letters[record.epoch]?.total(upTo: record.lastNumber) ?? 0, isClosed: record.isClosed)
            }
        }
    }

    private func find(_ epoch: Epoch) async throws(StoreError) -> OpenEpoch? {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(Self.collection, attempted: "read the epochs") {
                $0.document {
                    $0.document("$match") {
                        $0.array("$or") {
                            $0.document { $0.string("_id", epoch.description) }
                            $0.document { $0.document("closedAt") { $0.bool("$exists", false) } }
                        }
                    }
                }
            }
            let records = try documents.map { document throws(MongoError) in try EpochRecord(document) }
            guard let record = records.first(where: { $0.epoch == epoch }) else { return nil }
            // After the ledger: what a batch left that is finished there, or an epoch that is closed there, is seen.
            let waiting = try DeadLetters.waiting(connection)
            // An epoch that is registered from now on has a higher ordinal than any that was read.
            let open = records.filter { !$0.isClosed }.map(\.ordinal) + [waiting.lowestOrdinal].compactMap(\.self)
            guard let oldestOpen = open.min(), oldestOpen > 1 else {
                return OpenEpoch(record: record, waiting: waiting, horizon: EpochHorizon(floor: 0, closed: []))
            }
            let closed = try connection.aggregate(Self.collection, attempted: "read the closed epochs") {
                $0.document { $0.document("$match") { $0.document("ordinal") { $0.int64("$lt", oldestOpen) } } }
                $0.document { $0.document("$sort") { $0.int32("ordinal", -1) } }
                $0.document { $0.int32("$limit", Self.prunedAtOnce) }
            }
            let epochs = try closed.map { document throws(MongoError) in try EpochRecord(document).epoch }
            return OpenEpoch(
                record: record, waiting: waiting, horizon: EpochHorizon(floor: oldestOpen - 1, closed: epochs))
        }
    }

    /// Inserts the epoch with the next ordinal. Does nothing where somebody else was first with either.
    private static func register(
        _ epoch: Epoch, buffer: String, at secondsSince1970: Int64, with connection: borrowing MongoConnection
    ) throws(MongoError) {
        let attempted = "register a new epoch"
        let index = BSONWriter.document {
            $0.string("createIndexes", Self.collection)
            $0.array("indexes") {
                $0.document {
                    $0.document("key") { $0.int32("ordinal", 1) }
                    $0.string("name", "ordinal")
                    $0.bool("unique", true)
                }
            }
        }
        _ = try connection.write(index, attempted: attempted)
        let latest = try connection.aggregate(Self.collection, attempted: attempted) {
            $0.document { $0.document("$sort") { $0.int32("ordinal", -1) } }
            $0.document { $0.int32("$limit", 1) }
        }
        let ordinal = try latest.first.map { document throws(MongoError) in try EpochRecord(document).ordinal } ?? 0
        let insert = BSONWriter.document {
            $0.string("insert", Self.collection)
            $0.array("documents") {
                $0.document {
                    $0.string("_id", epoch.description)
                    $0.int64("ordinal", ordinal + 1)
                    $0.string("buffer", buffer)
                    $0.date("openedAt", secondsSince1970: secondsSince1970)
                    $0.int64("lastNumber", 0)
                    $0.int64("total", 0)
                }
            }
        }
        let reply = try WriteReply(try connection.write(insert, attempted: attempted), attempted: attempted)
        if let fault = reply.faults.first(where: { !$0.isDuplicateKey }) {
            throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
        }
    }
}

extension EpochRecord {
    fileprivate init(_ document: BSONDocument) throws(MongoError) {
        do throws(BSONFault) {
            guard case .string(let id) = try document.value("_id"), let epoch = Epoch(id),
                let ordinal = try document.value("ordinal")?.wholeNumber,
                let lastNumber = try document.value("lastNumber")?.wholeNumber,
                let total = try document.value("total")?.wholeNumber
            else { throw BSONFault(what: "a record lacks its epoch, ordinal, lastNumber or total") }
            self.epoch = epoch
            self.buffer = try document.string("buffer")
            self.ordinal = ordinal
            self.lastNumber = lastNumber
            self.total = total
            self.isClosed = try document.value("closedAt") != nil
        } catch {
            throw MongoError(.content, code: 0, message: error.what, attempted: "read \(EpochLedger.collection)")
        }
    }
}
