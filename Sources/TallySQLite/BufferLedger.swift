import GRDB
import TallyCore

extension BufferLedger {
    /// Reads where the buffer in the file stands.
    /// - Parameter storeIsElsewhere: false where the store in use is in the file, too.
    init(_ db: Database, storeIsElsewhere: Bool) throws {
        let state = try BufferState.load(db)
        var accepted = try ClosedEpochs.accepted(db)
        accepted[state.epoch] = state.accepted
        var pending: [Batch] = []
        try SQLStatement(db, "SELECT kind, epoch, number, total FROM batches ORDER BY position").forEach { row in
            guard let epoch = Epoch(row.text(1)) else { return }
            if row.text(0) == "epochClosed" {
                // Also of an epoch that ended before the file remembered such.
                accepted[epoch] = row.integer(3)
            } else {
                pending.append(Batch(id: BatchID(epoch: epoch, number: row.integer(2)), total: row.integer(3)))
            }
        }
        self.init(
            epoch: state.epoch, lastNumber: state.lastNumber, accepted: accepted, pending: pending,
            live: state.liveTotal,
            elsewhere: try EpochsElsewhere.finished(storeIsElsewhere: storeIsElsewhere, db))
    }
}
