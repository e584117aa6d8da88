import GRDB
import Synchronization
import TallyCore

/// Writes what all lanes hand in: everything that waits goes into one transaction, so that the cost of a commit, which
/// is mostly the disk's, is shared by all who came while the last one ran.
///
/// Each lane holds one batch at a time, so at most as many wait as there are lanes.
final class GroupCommitWriter: Sendable {
    struct Job: Sendable {
        let batch: CountBatch
        /// Called exactly once, from whatever thread.
        let deliver: @Sendable (LaneOutcome) -> Void
    }

    private struct Waiting {
        var jobs: [Job] = []
        /// Whether a write is on its way that will take them.
        var isScheduled = false
    }

    private let database: EmbeddedDatabase
    private let transactions: BufferTransactions
    private let maximumFieldsPerBatch: Int
    private let waiting = Mutex(Waiting())
    /// Used on the writing connection's queue alone, so never waited for.
    private let names: Mutex<KnownNames>

    init(
        database: EmbeddedDatabase, transactions: BufferTransactions, bounds: NameBounds, maximumFieldsPerBatch: Int
    ) {
        self.database = database
        self.transactions = transactions
        self.maximumFieldsPerBatch = maximumFieldsPerBatch
        self.names = Mutex(KnownNames(bounds: bounds))
    }

    func submit(_ job: Job) {
        let mustSchedule = self.waiting.withLock { waiting in
            waiting.jobs.append(job)
            defer { waiting.isScheduled = true }
            return !waiting.isScheduled
        }
        if mustSchedule { self.schedule() }
    }

    private func schedule() {
        self.database.pool.asyncWriteWithoutTransaction { db in
            let jobs = self.waiting.withLock { waiting in
                waiting.isScheduled = false
                defer { waiting.jobs = [] }
                return waiting.jobs
            }
            let outcomes = self.write(jobs, db)
            for (job, outcome) in zip(jobs, outcomes) { job.deliver(outcome) }
        }
    }

    /// One outcome per job, after the commit.
    private func write(_ jobs: [Job], _ db: Database) -> [LaneOutcome] {
        let batches = jobs.map { job in Result { () throws(BufferError) in try ParsedBatch(job.batch) } }
        do {
            return try self.names.withLock { names in
                do {
                    return try self.transactions.run(db) { state, now in
                        let counting = try BatchCounting(db)
                        return try batches.map { batch in
                            guard case .success(let batch) = batch, state.hasRoom(for: batch.sum) else {
                                return .notCounted(batch.failure ?? ParsedBatch.tooLarge)
                            }
                            // Before every batch, since each may fill the live one.
                            try state.prepareToCount(db, now: now, maximumFields: self.maximumFieldsPerBatch)
                            return .counted(try counting.count(batch, state: &state, names: &names))
                        }
                    }
                } catch {
                    names.forget()
                    throw error
                }
            }
        } catch {
            let failure = BufferError("counting", error)
            let mayBeKept = (error as? TransactionFailure)?.mayBeKept ?? false
            return jobs.map { _ in mayBeKept ? .unknown(failure) : .notCounted(failure) }
        }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}
