import GRDB
public import TallyCore

/// The store's side of the audit: how far an epoch of a buffer has been applied.
public struct StoreLedgerEntry: Sendable, Equatable {
    public let epoch: Epoch
    /// `redis`, `embedded`, `spool`.
    public let buffer: String
    /// Of the batch finished last; 0 while the first is applied in part only.
    public let lastNumber: Int64
    /// The sum of all finished batches.
    public let total: Int64
    public let isClosed: Bool

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
