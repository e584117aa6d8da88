import GRDB
import TallyCore

/// What every transaction that changes where a buffer stands begins and ends with.
struct BufferTransactions: Sendable {
    /// The epoch that the file had when it was opened, where the first write since then must begin a new one; nil where
    /// the file may keep its own.
    ///
    /// Another process may have begun a later one meanwhile; that is just as good, since this opening's file has not been
    /// exchanged in between.
    let epochToLeave: Epoch?
    /// False where the store is in the file, too.
    let storeIsElsewhere: Bool
    let clock: @Sendable () -> Int64

    /// Runs `body` within a transaction, with the state as it stands and the time in seconds since 1970. What `body`
    /// makes of the state is kept with the rest.
    func run<Result>(
        _ db: Database, _ body: (inout BufferState, _ now: Int64) throws -> Result
    ) throws -> Result {
        let before = try BufferState.load(db)
        var state = before
        let now = self.clock()
        if state.epoch == self.epochToLeave {
            try state.beginEpoch(db, now: now, storeIsElsewhere: self.storeIsElsewhere)
        }
        let result = try body(&state, now)
        if state != before { try state.save(db) }
        return result
    }
}
