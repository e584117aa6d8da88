import GRDB

/// A transaction that did not come to its end.
struct TransactionFailure: Error {
    let cause: any Error
    /// False where certainly nothing of it is kept.
    ///
    /// True where the commit itself met an I/O error: its pages may lie complete in the log although the sync of them
    /// failed. This process goes on as if they were not there, but after a crash the recovery could find them.
    let mayBeKept: Bool

    init(_ cause: any Error, duringCommit: Bool) {
        self.cause = cause
        self.mayBeKept = duringCommit && (cause as? DatabaseError)?.resultCode == .SQLITE_IOERR
    }
}

extension Database {
    /// Runs `body` within the transaction so that it can fail without it: what it changed is undone then.
    /// - Throws: where undoing fails, since the transaction as a whole is lost then.
    func separately(_ body: () throws -> Void) throws -> Result<Void, TransactionFailure> {
        try SQLStatement(self, "SAVEPOINT member").run()
        let result = Result { try body() }.mapError { TransactionFailure($0, duringCommit: false) }
        if case .failure = result { try SQLStatement(self, "ROLLBACK TO member").run() }
        try SQLStatement(self, "RELEASE member").run()
        return result
    }

    /// Runs `body` in a transaction that takes the write lock at its beginning, so that what it reads cannot change
    /// before it writes, and a lock held elsewhere is waited for (a lock taken later is refused at once).
    ///
    /// Returns after COMMIT. Whatever throws, COMMIT included, the transaction is rolled back: after some errors SQLite
    /// has done so itself, after others it stays open (https://www.sqlite.org/lang_transaction.html, section 3).
    func immediately<Result>(_ body: () throws -> Result) throws(TransactionFailure) -> Result {
        do {
            try SQLStatement(self, "BEGIN IMMEDIATE").run()
        } catch {
            throw TransactionFailure(error, duringCommit: false)
        }
        let result: Result
        do {
            result = try body()
        } catch {
            try? self.rollback()
            throw TransactionFailure(error, duringCommit: false)
        }
        do {
            try SQLStatement(self, "COMMIT").run()
        } catch {
            try? self.rollback()
            throw TransactionFailure(error, duringCommit: true)
        }
        return result
    }
}
