import GRDB
import TallyCore

/// What waits to be flushed, as it lies in the tables.
enum PendingBatches {
    /// Oldest first.
    static func entries(_ db: Database) throws -> [PendingEntry] {
        var entries: [PendingEntry] = []
        try SQLStatement(db, "SELECT kind, epoch, number FROM batches ORDER BY position").forEach { row in
            guard let epoch = Epoch(row.text(1)) else {
                throw BufferError(
                    .malformed, "the embedded buffer's list of pending batches holds what tally did not write")
            }
            entries.append(
                row.text(0) == "epochClosed"
                    ? .epochClosed(epoch) : .batch(BatchID(epoch: epoch, number: row.integer(2))))
        }
        return entries
    }

    /// The primary key of `counts` gives the order that a sealed batch promises.
    /// - Throws: `BufferError` where the counts are not those that were sealed, else SQLite's error.
    static func read(_ id: BatchID, buffer: String, _ db: Database) throws -> SealedBatch? {
        let find = try SQLStatement(
            db, "SELECT position, hour, sealed_at, total FROM batches WHERE epoch = ? AND number = ? AND kind = 'batch'"
        )
        find.bind(1, id.epoch.description)
        find.bind(2, id.number)
        guard
            let batch = try find.first({
                (position: $0.integer(0), hour: $0.integer(1), sealedAt: $0.integer(2), total: $0.integer(3))
            })
        else { return nil }

        var documents: [DocumentCounts] = []
        var counts: [DocumentCounts.Count] = []
        var current: (client: Name, test: Name)?
        var total: Int64 = 0
        let select = try SQLStatement(
            db,
            """
            SELECT client, test, variation, event, count FROM counts WHERE batch = ?
            ORDER BY client, test, variation, event
            """)
        select.bind(1, batch.position)
        try select.forEach { row in
            let (client, test) = (row.name(0), row.name(1))
            if let document = current, document.client != client || document.test != test {
                documents.append(DocumentCounts(client: document.client, test: document.test, counts: counts))
                counts = []
            }
            current = (client, test)
            counts.append(.init(variation: row.name(2), event: row.name(3), count: row.integer(4)))
            total &+= row.integer(4)
        }
        guard total == batch.total else {
            throw BufferError(
                .malformed,
                "batch \(id) of the embedded buffer cannot be read: its counts add up to \(total), and \(batch.total) were "
                    + "sealed. It is kept, and what is behind it waits; put a copy of the file back (tally restore)")
        }
        if let document = current {
            documents.append(DocumentCounts(client: document.client, test: document.test, counts: counts))
        }
        return SealedBatch(
            id: id, hour: Hour(hoursSince1970: batch.hour), sealedAt: batch.sealedAt, buffer: buffer,
            documents: documents, finishedElsewhere: try self.finishedHere(id.epoch, db))
    }

    /// Up to which number the store in this file has the epoch.
    private static func finishedHere(_ epoch: Epoch, _ db: Database) throws -> Int64 {
        let select = try SQLStatement(db, "SELECT last_number FROM store_epochs WHERE epoch = ?")
        select.bind(1, epoch.description)
        return try select.first { $0.integer(0) } ?? 0
    }

    /// Takes an entry off the list; its rows are removed later. Does nothing where it is not pending.
    /// - Parameter storeIsElsewhere: where it went.
    static func discard(_ entry: PendingEntry, storeIsElsewhere: Bool, _ db: Database) throws {
        if storeIsElsewhere, case .batch(let id) = entry { try EpochsElsewhere.finish(id, db) }
        let (epoch, number): (Epoch, Int64) =
            switch entry {
            case .batch(let id): (id.epoch, id.number)
            case .epochClosed(let epoch): (epoch, 0)
            }
        let remember = try SQLStatement(
            db,
            """
            INSERT INTO discarded (position)
            SELECT position FROM batches WHERE epoch = ? AND number = ? AND kind = 'batch'
            """)
        remember.bind(1, epoch.description)
        remember.bind(2, number)
        try remember.run()
        let delete = try SQLStatement(db, "DELETE FROM batches WHERE epoch = ? AND number = ?")
        delete.bind(1, epoch.description)
        delete.bind(2, number)
        try delete.run()
    }

    /// Takes off what the store in this same file has finished, by a flush that stopped before it could acknowledge.
    static func discardApplied(_ db: Database) throws {
        try SQLStatement(
            db,
            """
            INSERT INTO discarded (position)
            SELECT position FROM batches JOIN store_epochs USING (epoch) WHERE number <= last_number AND kind = 'batch'
            """
        ).run()
        try SQLStatement(
            db, "DELETE FROM batches WHERE position IN (SELECT position FROM discarded)"
        ).run()
    }

    /// Removes some rows of batches that are off the list. Returns whether there may be more.
    static func removeDiscarded(_ db: Database, maximumRows: Int64) throws -> Bool {
        guard
            let position = try SQLStatement(db, "SELECT min(position) FROM discarded").first({ $0.integerOrNil(0) })
                ?? nil
        else { return false }
        // SQLite is not everywhere built with DELETE … LIMIT, and the table has no row IDs, so the last of those rows is
        // looked up and everything up to it goes.
        let delete = try SQLStatement(
            db,
            """
            DELETE FROM counts WHERE batch = ?1 AND (client, test, variation, event) <= (
                SELECT client, test, variation, event FROM counts WHERE batch = ?1
                ORDER BY client, test, variation, event LIMIT 1 OFFSET ?2)
            """)
        delete.bind(1, position)
        delete.bind(2, maximumRows - 1)
        if try delete.run() > 0 { return true }
        // Fewer than that are left.
        let rest = try SQLStatement(db, "DELETE FROM counts WHERE batch = ?")
        rest.bind(1, position)
        try rest.run()
        let done = try SQLStatement(db, "DELETE FROM discarded WHERE position = ?")
        done.bind(1, position)
        try done.run()
        return true
    }
}
