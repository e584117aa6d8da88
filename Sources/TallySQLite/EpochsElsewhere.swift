import GRDB
import TallyCore

/// What of the buffer in this file went to a store that is not in it.
///
/// Which store that is does not matter: MongoDB's data may move between servers, and stay what they are.
enum EpochsElsewhere {
    /// Notes that an epoch begins whose batches are for a store elsewhere, and forgets those that the audit knows no more.
    static func begin(_ epoch: Epoch, _ db: Database) throws {
        let insert = try SQLStatement(
            db, "INSERT INTO epochs_elsewhere (epoch, last_number, total) VALUES (?, 0, 0) ON CONFLICT DO NOTHING")
        insert.bind(1, epoch.description)
        try insert.run()
        let delete = try SQLStatement(
            db,
            """
            DELETE FROM epochs_elsewhere WHERE epoch <> ?
                AND epoch NOT IN (SELECT epoch FROM closed_epochs) AND epoch NOT IN (SELECT epoch FROM batches)
            """)
        delete.bind(1, epoch.description)
        try delete.run()
    }

    /// Whether batches of this epoch may be in a store elsewhere.
    static func contains(_ epoch: Epoch, _ db: Database) throws -> Bool {
        let select = try SQLStatement(db, "SELECT 1 FROM epochs_elsewhere WHERE epoch = ?")
        select.bind(1, epoch.description)
        return try select.first { _ in true } ?? false
    }

    /// Notes that a store elsewhere has a batch; to be called before it is taken off the list of those that wait. Does
    /// nothing where it is off already.
    static func finish(_ batch: BatchID, _ db: Database) throws {
        let upsert = try SQLStatement(
            db,
            """
            INSERT INTO epochs_elsewhere (epoch, last_number, total)
            SELECT epoch, number, total FROM batches WHERE epoch = ? AND number = ? AND kind = 'batch'
            ON CONFLICT DO UPDATE SET last_number = max(last_number, excluded.last_number),
                total = total + excluded.total
            """)
        upsert.bind(1, batch.epoch.description)
        upsert.bind(2, batch.number)
        try upsert.run()
    }

    /// What a store that is not the one in use has of each epoch.
    /// - Parameter storeIsElsewhere: of the one in use; the other is then the one in this file.
    static func finished(storeIsElsewhere: Bool, _ db: Database) throws -> [Epoch: BufferLedger.Finished] {
        var finished: [Epoch: BufferLedger.Finished] = [:]
        try SQLStatement(
            db, "SELECT epoch, last_number, total FROM \(storeIsElsewhere ? "store_epochs" : "epochs_elsewhere")"
        ).forEach { row in
            guard let epoch = Epoch(row.text(0)), row.integer(1) > 0 else { return }
            finished[epoch] = BufferLedger.Finished(lastNumber: row.integer(1), total: row.integer(2))
        }
        return finished
    }
}
