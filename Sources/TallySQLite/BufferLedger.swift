import GRDB
public import TallyCore

/// A buffer's side of the audit: per epoch, what it accepted must be what the store has finished, and what waits here.
public struct BufferLedger: Sendable, Equatable {
    public struct Batch: Sendable, Equatable {
        public let id: BatchID
        public let total: Int64
    }

    /// The epoch that takes counts now.
    public let epoch: Epoch
    /// Everything accepted in an epoch: the current one, and those whose end is still pending.
    public let accepted: [Epoch: Int64]
    /// The sealed batches that wait, oldest first. The store may have finished some of them already.
    public let pending: [Batch]
    /// What the live batch holds.
    public let live: Int64

    init(_ db: Database) throws {
        let state = try BufferState.load(db)
        var accepted = [state.epoch: state.accepted]
        var pending: [Batch] = []
        try SQLStatement(db, "SELECT kind, epoch, number, total FROM batches ORDER BY position").forEach { row in
            guard let epoch = Epoch(row.text(1)) else { return }
            if row.text(0) == "epochClosed" {
                accepted[epoch] = row.integer(3)
            } else {
                pending.append(Batch(id: BatchID(epoch: epoch, number: row.integer(2)), total: row.integer(3)))
            }
        }
        self.epoch = state.epoch
        self.accepted = accepted
        self.pending = pending
        self.live = state.liveTotal
    }
}
