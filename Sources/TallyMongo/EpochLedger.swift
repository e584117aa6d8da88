import Logging
import TallyCore

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
/// `{_id: "<16 hexadecimal digits>", ordinal, buffer, openedAt, begun, lastNumber, total, finishedAt, closedAt, silent,
/// continues}`.
///
/// **An epoch is closed only while no batch of it is begun and unfinished** (`begun` above `lastNumber`), and a batch is
/// begun only while its epoch is open. So what was applied of a closed epoch is finished up to `lastNumber`, on every
/// document, and nothing beyond it has touched any. That is what pruning marks stands on.
///
/// **A batch beyond the end of a closed epoch** comes from a buffer that was put back to an older copy, in which the epoch
/// was ended, and then forward to a newer one, in which it had gone further. It is counted nowhere yet: a count that was
/// taken while the epoch had n sealed batches is in the batch n + 1 of whatever copy has it. But the documents' marks of
/// the epoch may be pruned, under a floor. So it is applied under an epoch of its own, the *continuation*, with an ordinal
/// of its own, in which numbers go on.
///
/// **An epoch that has been silent for 30 days is closed**, since its buffer may be gone, and nobody would ever close it:
/// no mark of a later epoch could be pruned. Closing is right at any time, as said above; should the buffer be there all
/// the same, what comes of it goes into a continuation.
///
/// It is read before every batch and nothing of it is kept in memory, so that a store that was restored from a backup
/// under a running tally is met as it is. All of it goes through the majority: a record that is read cannot go away.
struct EpochLedger: Sendable {
    static let collection = "tally.epochs"
    /// How many closed epochs' marks an update removes from a document at once, at most. Every update carries their
    /// names, 24 bytes each. A document that was left alone while more epochs than these came and went keeps the
    /// older marks: 26 bytes each, and harmless.
    static let prunedAtOnce: Int32 = 32

    /// After so long without a batch an epoch is closed. Long enough that few buffers which are alive meet it.
    static let silenceDays: Int64 = 30
    /// The buffers whose epochs may be closed by silence. An import's end is its own to say: it means that all of its file
    /// is in.
    private static let buffers = ["redis", "embedded", "spool"]

    let driver: MongoDriver
    let logger: Logger

    /// So often may an epoch be continued: each time a buffer goes back and forward again, which nobody does this often.
    private static let maximumParts = 1_000

    /// What a batch is to be applied under, with the batch recorded as begun; nil where it is finished.
    /// - Throws: `StoreError`.
    func begin(_ batch: SealedBatch) async throws(StoreError) -> OpenEpoch? {
        var epoch = batch.id.epoch
        var previous: EpochRecord?
        for _ in 1...Self.maximumParts {
            let open = try await self.open(epoch, buffer: batch.buffer, at: batch.sealedAt, continuing: previous)
            guard batch.id.number > open.record.lastNumber else { return nil }
            if open.record.isClosed {
                previous = open.record
                epoch = epoch.continuation
            } else if try await self.recordBegin(of: batch.id.number, in: epoch) {
                if let previous, !previous.wasSilent {
                    self.logger.log(
                        .bufferWentBack,
                        """
                        a batch comes after its epoch had ended: its buffer was put back to an older copy, and then \
                        forward to a newer one. Its counts were in no copy that has been flushed; they are counted now
                        """,
                        [
                            .batch: "\(batch.id)", .counts: "\(batch.total)",
                            .lastApplied: "\(previous.lastNumber)", .epoch: "\(epoch)",
                        ])
                }
                return open
            }
            // Else it was closed since it was read.
        }
        throw StoreError(
            .malformed,
            "MongoDB at \(self.driver.hosts): the epoch of batch \(batch.id) was closed and continued "
                + "\(Self.maximumParts) times. The batch stays pending; look at \(Self.collection).")
    }

    /// - Returns: false where the epoch is closed.
    private func recordBegin(of number: Int64, in epoch: Epoch) async throws(StoreError) -> Bool {
        try await self.driver.run { connection throws(MongoError) in
            try connection.update(Self.collection, attempted: "record a batch as begun") {
                $0.document("q") {
                    $0.string("_id", epoch.description)
                    $0.document("closedAt") { $0.bool("$exists", false) }
                }
                $0.document("u") { $0.document("$max") { $0.int64("begun", number) } }
            } > 0
        }
    }

    /// The epoch's record, made where there is none yet, with the dead letters and the horizon that held when it was
    /// read.
    /// - Parameter previous: the record that it continues.
    private func open(
        _ epoch: Epoch, buffer: String, at secondsSince1970: Int64, continuing previous: EpochRecord?
    ) async throws(StoreError) -> OpenEpoch {
        // Each attempt fails only where another registration succeeded meanwhile, or where a new primary does not yet
        // know what the majority has; a few are plenty.
        for attempt in 1...20 {
            if let found = try await self.find(epoch) { return found }
            try await self.driver.run { connection throws(MongoError) in
                try Self.register(
                    epoch, buffer: buffer, at: secondsSince1970, continuing: previous, with: connection)
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
                    $0.document("$currentDate") { $0.bool("finishedAt", true) }
                }
            }
        }
    }

    /// Records that the epoch is over, or the last part of it. Does nothing where it is already, where nothing was ever
    /// applied of it, or where a batch is begun and not finished: then this end is that of an older copy of the buffer, and
    /// the one that the batch came from has an end of its own. (Should that one never come back, the epoch stays open, and
    /// no marks of later epochs are pruned; `tally check` says so.)
    /// - Throws: `StoreError`.
    func close(_ epoch: Epoch) async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            var part = epoch
            for _ in 1...Self.maximumParts {
                let attempted = "record an epoch as closed"
                let closed = try connection.update(Self.collection, attempted: attempted) {
                    $0.document("q") {
                        $0.string("_id", part.description)
                        $0.document("closedAt") { $0.bool("$exists", false) }
                        $0.document("$expr") { Self.nothingIsBegun(&$0) }
                    }
                    $0.document("u") { $0.document("$currentDate") { $0.bool("closedAt", true) } }
                }
                guard closed == 0 else { return }
                let found = try connection.aggregate(Self.collection, attempted: attempted) {
                    $0.document { $0.document("$match") { $0.string("_id", part.description) } }
                }
                guard let document = found.first, try EpochRecord(document).isClosed else { return }
                part = part.continuation
            }
        }
    }

    /// Closes the epochs of which no batch was finished for a long time and none is begun, by the server's clock.
    /// - Throws: `StoreError`.
    func closeSilent() async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            _ = try connection.update(Self.collection, attempted: "close silent epochs") {
                $0.document("q") {
                    $0.document("closedAt") { $0.bool("$exists", false) }
                    $0.document("buffer") { $0.array("$in") { for buffer in Self.buffers { $0.string(buffer) } } }
                    $0.document("$expr") {
                        $0.array("$and") {
                            $0.document { Self.isSilent(&$0) }
                            $0.document { Self.nothingIsBegun(&$0) }
                        }
                    }
                }
                $0.document("u") {
                    $0.document("$currentDate") { $0.bool("closedAt", true) }
                    $0.document("$set") { $0.bool("silent", true) }
                }
                $0.bool("multi", true)
            }
        }
    }

    /// The epochs that keep the marks of all later ones and that nobody will close, as far as can be known: silent for a
    /// long time, with a batch begun and not finished, or a file that was imported in part.
    /// - Throws: `StoreError`.
    func stuck() async throws(StoreError) -> [StuckEpoch] {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(Self.collection, attempted: "look for epochs that never end") {
                $0.document {
                    $0.document("$match") {
                        $0.document("closedAt") { $0.bool("$exists", false) }
                        $0.document("$expr") { Self.isSilent(&$0) }
                    }
                }
                $0.document { $0.document("$sort") { $0.int32("ordinal", 1) } }
            }
            let records = try documents.map { document throws(MongoError) in try EpochRecord(document) }
            return records.compactMap { record in
                let isImport = !Self.buffers.contains(record.buffer)
                // Else the next flush closes it.
                guard isImport || record.begun > record.lastNumber else { return nil }
                return StuckEpoch(
                    epoch: record.epoch, origin: isImport ? .file(record.buffer) : .buffer(record.buffer),
                    begun: record.begun)
            }
        }
    }

    /// `$lte: [begun, lastNumber]`; a field that is missing is below every number.
    private static func nothingIsBegun(_ writer: inout BSONWriter) {
        writer.array("$lte") {
            $0.string("$begun")
            $0.string("$lastNumber")
        }
    }

    private static func isSilent(_ writer: inout BSONWriter) {
        writer.array("$lt") {
            // Older records do not know when.
            $0.expression("$ifNull") {
                $0.string("$finishedAt")
                $0.string("$openedAt")
            }
            $0.expression("$subtract") {
                $0.string("$$NOW")
                $0.int64(Self.silenceDays * 86_400_000)
            }
        }
    }

    /// All epochs as the buffers know them, each with its continuations, and with what of their totals waits as dead
    /// letters.
    /// - Throws: `StoreError`.
    func entries() async throws(StoreError) -> [StoreLedgerEntry] {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(Self.collection, attempted: "read the epochs") { _ in }
            let records = try documents.map { document throws(MongoError) in try EpochRecord(document) }
            let letters = try DeadLetters.sums(connection)
            return Dictionary(grouping: records) { $0.continues ?? $0.epoch }.map { epoch, parts in
                StoreLedgerEntry(
                    epoch: epoch, buffer: parts[0].buffer, lastNumber: parts.reduce(0) { max($0, $1.lastNumber) },
                    total: parts.reduce(0) { $0 + $1.total },
                    deadLettered: parts.reduce(0) {
                        $0 + (letters[$1.epoch]?.total(upTo: $1.lastNumber) ?? 0)
                    }, isClosed: parts.allSatisfy(\.isClosed))
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
        _ epoch: Epoch, buffer: String, at secondsSince1970: Int64, continuing previous: EpochRecord?,
        with connection: borrowing MongoConnection
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
                    $0.int64("lastNumber", previous?.lastNumber ?? 0)
                    $0.int64("total", 0)
                    if let previous { $0.string("continues", (previous.continues ?? previous.epoch).description) }
                }
            }
        }
        let reply = try WriteReply(try connection.write(insert, attempted: attempted), attempted: attempted)
        if let fault = reply.faults.first(where: { !$0.isDuplicateKey }) {
            throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
        }
    }
}

extension Epoch {
    /// Under which is applied what comes of this epoch after it was closed. No buffer draws it, as far as chance goes.
    var continuation: Epoch { Epoch(self.value &+ 1) }
}
