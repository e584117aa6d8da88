import TallyCore

/// What the ledger says of one epoch, or of one part of an epoch.
struct EpochRecord: Sendable, Equatable {
    let epoch: Epoch
    /// The buffer's epoch that this one continues; nil for that itself.
    let continues: Epoch?
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

extension EpochRecord {
    init(_ document: BSONDocument) throws(MongoError) {
        do throws(BSONFault) {
            guard case .string(let id) = try document.value("_id"), let epoch = Epoch(id),
                let ordinal = try document.value("ordinal")?.wholeNumber,
                let lastNumber = try document.value("lastNumber")?.wholeNumber,
                let total = try document.value("total")?.wholeNumber
            else { throw BSONFault(what: "a record lacks its epoch, ordinal, lastNumber or total") }
            self.epoch = epoch
            if case .string(let root) = try document.value("continues") {
                self.continues = Epoch(root)
            } else {
                self.continues = nil
            }
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
