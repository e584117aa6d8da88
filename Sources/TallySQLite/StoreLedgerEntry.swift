import GRDB
import TallyCore

extension StoreLedgerEntry {
    /// How far every epoch has been applied, as it stands in the file.
    static func all(_ db: Database) throws -> [StoreLedgerEntry] {
        var entries: [StoreLedgerEntry] = []
        try SQLStatement(db, "SELECT epoch, buffer, last_number, total, closed_at FROM store_epochs").forEach { row in
            guard let epoch = Epoch(row.text(0)) else {
                throw StoreError(.malformed, "the embedded store's list of epochs holds what tally did not write")
            }
            entries.append(
                StoreLedgerEntry(
                    epoch: epoch, buffer: row.text(1), lastNumber: row.integer(2), total: row.integer(3),
                    isClosed: row.integerOrNil(4) != nil))
        }
        return entries
    }
}
