import GRDB
import Synchronization
import TallyCore

/// The transactions that change where a buffer stands, each beginning with what an opening demands.
final class BufferTransactions: Sendable {
    private let startsNewEpoch: Bool
    private let clock: @Sendable () -> Int64
    /// Whether an epoch was begun since the opening. Another process may have begun a later one meanwhile; that is just
    /// as good, since this opening's file has not been exchanged in between.
    private let hasBegunEpoch = Mutex(false)

    init(startsNewEpoch: Bool, clock: @escaping @Sendable () -> Int64) {
        self.startsNewEpoch = startsNewEpoch
        self.clock = clock
    }

    /// Runs `body` in one transaction, with the state as it stands and the time in seconds since 1970. What `body` makes
    /// of the state is kept with the rest.
    func run<Result>(
        _ db: Database, _ body: (inout BufferState, _ now: Int64) throws -> Result
    ) throws(TransactionFailure) -> Result {
        let mustBeginEpoch = self.startsNewEpoch && !self.hasBegunEpoch.withLock { $0 }
        let result = try db.immediately {
            let before = try BufferState.load(db)
            var state = before
            let now = self.clock()
            if mustBeginEpoch { try state.beginEpoch(db, now: now) }
            let result = try body(&state, now)
            if state != before { try state.save(db) }
            return result
        }
        // Only now: a transaction that was rolled back has begun nothing.
        if mustBeginEpoch { self.hasBegunEpoch.withLock { $0 = true } }
        return result
    }
}
