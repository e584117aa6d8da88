public import TallyCore

/// What the ledger says of one epoch, or of one part of an epoch.
struct EpochRecord: Sendable, Equatable {
    let epoch: Epoch
    /// The buffer's epoch that this one continues; nil for that itself.
    let continues: Epoch?
    /// `redis`, `embedded`, `spool`.
    let buffer: String
    /// From 1, in the order in which the store first met the epochs, without gaps.
    let ordinal: Int64
    /// The batch that was begun last; 0 for none.
    let begun: Int64
    /// The last batch that is finished on every document.
    let lastNumber: Int64
    /// The sum of all finished batches, those of their counts included that documents refused (`DeadLetters`).
    let total: Int64
    let isClosed: Bool
    /// Closed since nothing came of it for long, and not because its buffer said so.
    let wasSilent: Bool
}

/// An epoch that has been silent for long and is not closed.
public struct StuckEpoch: Sendable, Equatable {
    public enum Origin: Sendable, Equatable {
        /// `redis`, `embedded`, `spool`: a batch of it is begun and not finished.
        case buffer(String)
        /// What was imported, and not to its end.
        case file(String)
    }

    public let epoch: Epoch
    public let origin: Origin
    /// The batch that was begun last; 0 for none.
    public let begun: Int64

    public init(epoch: Epoch, origin: Origin, begun: Int64) {
        self.epoch = epoch
        self.origin = origin
        self.begun = begun
    }
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
            self.begun = try document.value("begun")?.wholeNumber ?? 0
            self.lastNumber = lastNumber
            self.total = total
            self.isClosed = try document.value("closedAt") != nil
            self.wasSilent = try document.value("silent") != nil
        } catch {
            throw MongoError(.content, code: 0, message: error.what, attempted: "read \(EpochLedger.collection)")
        }
    }
}
