import GRDB
import Synchronization

/// Commits for all who write to the embedded file: whatever waits goes into one transaction, so that the cost of a
/// commit, which is mostly the disk's, is shared by everyone who came while the last one ran.
///
/// Counts and the pieces of a flush ride together. So a flush adds its work to commits that counts need anyway, and none
/// of its own that they would have to wait for.
///
/// At most as many wait as there are lanes and flushers, each of whom waits for the answer before coming again.
final class GroupCommit: Sendable {
    /// What one writer wants to have in the next transaction.
    struct Member: Sendable {
        /// Called within the transaction. Where it throws, what it changed is undone, and the other members go on.
        let run: @Sendable (Database) throws -> Void
        /// Called once, after the commit or with what prevented it, from whatever thread.
        let deliver: @Sendable (Result<Void, TransactionFailure>) -> Void
    }

    private struct Waiting {
        var members: [Member] = []
        /// Whether a write is on its way that will take them.
        var isScheduled = false
    }

    private let pool: DatabasePool
    private let waiting = Mutex(Waiting())

    init(pool: DatabasePool) { self.pool = pool }

    func submit(_ member: Member) {
        let mustSchedule = self.waiting.withLock { waiting in
            waiting.members.append(member)
            defer { waiting.isScheduled = true }
            return !waiting.isScheduled
        }
        if mustSchedule { self.schedule() }
    }

    /// Runs `body` in the next transaction, and returns when that is durable.
    ///
    /// Not cancelled with the calling task: a transaction is short, and its outcome is to be known.
    /// - Throws: `TransactionFailure`.
    func run<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let made = Made<Value>()
            self.submit(
                Member(
                    run: { db in made.set(try body(db)) },
                    deliver: { outcome in
                        continuation.resume(with: outcome.map { made.value }.mapError { $0 as any Error })
                    }))
        }
    }

    private func schedule() {
        self.pool.asyncWriteWithoutTransaction { db in
            let members = self.waiting.withLock { waiting in
                waiting.isScheduled = false
                defer { waiting.members = [] }
                return waiting.members
            }
            let outcomes = Self.commit(members, db)
            for (member, outcome) in zip(members, outcomes) { member.deliver(outcome) }
        }
    }

    /// One outcome per member, after the commit.
    private static func commit(_ members: [Member], _ db: Database) -> [Result<Void, TransactionFailure>] {
        do throws(TransactionFailure) {
            return try db.immediately {
                // One that is alone needs no savepoint: the transaction is undone with it.
                if members.count == 1 {
                    try members[0].run(db)
                    return [.success(())]
                }
                return try members.map { member in try db.separately { try member.run(db) } }
            }
        } catch {
            return members.map { _ in .failure(error) }
        }
    }

    /// Carries what a member made from its transaction to its delivery.
    final class Made<Value: Sendable>: Sendable {
        private let stored = Mutex<Value?>(nil)

        /// To be asked only after a commit.
        var value: Value {
            guard let value = self.stored.withLock({ $0 }) else { preconditionFailure("a member that ran has made it") }
            return value
        }

        func set(_ value: Value) { self.stored.withLock { $0 = value } }
    }
}
