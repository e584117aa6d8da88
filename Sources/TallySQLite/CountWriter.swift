import GRDB
import Synchronization
import TallyCore

/// Counts the batches of all lanes, each as a member of the next commit.
final class CountWriter: Sendable {
    private let database: EmbeddedDatabase
    private let transactions: BufferTransactions
    private let eventIDs: EventIDBounds
    private let maximumFieldsPerBatch: Int
    private let room: SpoolRoom?
    /// Used on the writing connection's queue alone, so never waited for.
    private let names: Mutex<KnownNames>

    init(
        database: EmbeddedDatabase, transactions: BufferTransactions, bounds: NameBounds, eventIDs: EventIDBounds,
        maximumFieldsPerBatch: Int, room: SpoolRoom?
    ) {
        self.database = database
        self.transactions = transactions
        self.eventIDs = eventIDs
        self.maximumFieldsPerBatch = maximumFieldsPerBatch
        self.room = room
        self.names = Mutex(KnownNames(bounds: bounds))
    }

    /// - Parameter deliver: called exactly once, from whatever thread.
    func submit(_ batch: CountBatch, deliver: @escaping @Sendable (LaneOutcome) -> Void) {
        let verdicts = GroupCommit.Made<Verdicts>()
        self.database.commits.submit(
            .init(
                // Taken apart here and not before: the caller is an event loop.
                run: { db in verdicts.set(try self.count(ParsedBatch(batch), db)) },
                deliver: { outcome in
                    switch outcome {
                    case .success: deliver(.counted(verdicts.value))
                    case .failure(let failure):
                        // The commit may have failed after this member had run well.
                        self.names.withLock { $0.forget() }
                        let error = BufferError("counting", failure)
                        deliver(failure.mayBeKept ? .unknown(error) : .notCounted(error))
                    }
                }))
    }

    private func count(_ batch: ParsedBatch, _ db: Database) throws -> Verdicts {
        try self.names.withLock { names in
            do {
                return try self.transactions.run(db) { state, now in
                    try self.room?.check(state, db)
                    guard state.hasRoom(for: batch.sum) else { throw ParsedBatch.tooLarge }
                    try state.prepareToCount(db, now: now, maximumFields: self.maximumFieldsPerBatch)
                    var seen = batch.source.hasIDs ? try SeenIDs(db, bounds: self.eventIDs, now: now) : nil
                    let verdicts = try BatchCounting(db).count(batch, state: &state, names: &names, seen: &seen)
                    try seen?.finish()
                    return verdicts
                }
            } catch {
                // Now, since other members of the same transaction go on without it.
                names.forget()
                throw error
            }
        }
    }
}
