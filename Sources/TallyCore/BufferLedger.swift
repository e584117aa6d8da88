/// A buffer's side of the audit, all of one moment: for each epoch, what it accepted must be what the store has
/// finished, and what waits here.
public struct BufferLedger: Sendable, Equatable {
    public struct Batch: Sendable, Equatable {
        public let id: BatchID
        /// The sum of its counts.
        public let total: Int64

        public init(id: BatchID, total: Int64) {
            self.id = id
            self.total = total
        }
    }

    /// How far an epoch has come in a store.
    public struct Finished: Sendable, Equatable {
        /// Of the batch finished last.
        public let lastNumber: Int64
        /// The sum of all finished batches.
        public let total: Int64

        public init(lastNumber: Int64, total: Int64) {
            self.lastNumber = lastNumber
            self.total = total
        }
    }

    /// The epoch that takes counts now.
    public let epoch: Epoch
    /// The number of the batch that was sealed last in it; 0 for none.
    public let lastNumber: Int64
    /// Everything accepted in an epoch, counted apart from the batches: the current epoch, and past ones as long as the
    /// buffer remembers them.
    public let accepted: [Epoch: Int64]
    /// The sealed batches that wait, oldest first. The store may have finished some of them already.
    public let pending: [Batch]
    /// What the live batch holds.
    public let live: Int64
    /// What was flushed into another store than the one in use: an earlier configuration had that.
    public let elsewhere: [Epoch: Finished]

    public init(
        epoch: Epoch, lastNumber: Int64, accepted: [Epoch: Int64], pending: [Batch], live: Int64,
        elsewhere: [Epoch: Finished] = [:]
    ) {
        self.epoch = epoch
        self.lastNumber = lastNumber
        self.accepted = accepted
        self.pending = pending
        self.live = live
        self.elsewhere = elsewhere
    }
}
