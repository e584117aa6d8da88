/// The store's side of the audit: how far an epoch of a buffer has been applied.
public struct StoreLedgerEntry: Sendable, Equatable {
    public let epoch: Epoch
    /// `redis`, `embedded`, `spool`.
    public let buffer: String
    /// Of the batch finished last; 0 while the first is applied in part only.
    public let lastNumber: Int64
    /// The sum of all finished batches, dead letters included.
    public let total: Int64
    /// What of `total` waits as dead letters, since documents refused it.
    public let deadLettered: Int64
    public let isClosed: Bool

    public init(
        epoch: Epoch, buffer: String, lastNumber: Int64, total: Int64, deadLettered: Int64 = 0, isClosed: Bool
    ) {
        self.epoch = epoch
        self.buffer = buffer
        self.lastNumber = lastNumber
        self.total = total
        self.deadLettered = deadLettered
        self.isClosed = isClosed
    }

    /// What the documents have.
    public var persisted: Int64 { self.total - self.deadLettered }
}
