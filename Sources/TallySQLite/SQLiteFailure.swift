import GRDB
import TallyCore

/// What an error of SQLite's means to an operator. The one place that reads SQLite's result codes
/// (https://www.sqlite.org/rescode.html).
struct SQLiteFailure {
    enum Kind {
        /// No room, on the disk or under a quota.
        case full
        /// The file may not be written to.
        case notWritable
        /// The file holds something that SQLite cannot read.
        case damaged
        /// Another process holds the write lock for longer than the time-out.
        case busy
        /// The disk reported an error.
        case disk
        /// The database was closed before.
        case closed
        /// A sum would not fit into 64 bits.
        case tooLarge
        case other
    }

    let kind: Kind
    /// What is wrong and what to do. Holds no names that a client chose: SQLite's messages name tables and columns only,
    /// and the statements' arguments are left out.
    let words: String

    init(_ error: any Error) {
        let error = (error as? TransactionFailure)?.cause ?? error
        guard let error = error as? DatabaseError else {
            self.kind = .other
            self.words = String(describing: error)
            return
        }
        let code = "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_FULL:
            self.kind = .full
            self.words = "the disk that holds DATA_DIR is full, or a quota is used up (\(code)); free some space"
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH:
            self.kind = .notWritable
            self.words =
                "the file or its directory cannot be opened for writing (\(code)); let DATA_DIR and the files in it "
                + "belong to tally's user"
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.kind = .damaged
            self.words =
                "the file is damaged or not an SQLite database (\(code)); put back a copy, or move it away to begin anew"
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.kind = .busy
            self.words = "another process keeps the file locked (\(code)); see which process has it open"
        case .SQLITE_IOERR, .SQLITE_NOMEM:
            self.kind = .disk
            self.words = "the disk reported an error (\(code)); see the system's log, and check the disk"
        case .SQLITE_MISUSE, .SQLITE_ABORT, .SQLITE_INTERRUPT:
            self.kind = .closed
            self.words = "the database has been closed (\(code))"
        case .SQLITE_CONSTRAINT where error.extendedResultCode == .SQLITE_CONSTRAINT_DATATYPE:
            self.kind = .tooLarge
            self.words = "a sum would exceed \(Int64.max)"
        default:
            self.kind = .other
            self.words = "\(code): \(error.message ?? "no message")"
        }
    }

    /// Whether it may be gone when the same is tried again at once.
    var mayPass: Bool {
        switch self.kind {
        case .busy, .other: true
        case .full, .notWritable, .damaged, .disk, .closed, .tooLarge: false
        }
    }
}

extension BufferError {
    /// - Parameter attempt: what was being done, as in "sealing the batch".
    init(_ attempt: String, _ error: any Error) {
        if let error = ((error as? TransactionFailure)?.cause ?? error) as? BufferError {
            self = error
            return
        }
        let failure = SQLiteFailure(error)
        let code: Code =
            switch failure.kind {
            case .busy, .disk, .closed, .other: .unavailable
            case .full, .notWritable, .tooLarge: .refused
            case .damaged: .malformed
            }
        self.init(code, "\(attempt) in the embedded buffer: \(failure.words)")
    }
}

extension StoreError {
    /// - Parameter attempt: what was being done, as in "reading the metrics".
    init(_ attempt: String, _ error: any Error) {
        if let error = ((error as? TransactionFailure)?.cause ?? error) as? StoreError {
            self = error
            return
        }
        let failure = SQLiteFailure(error)
        let code: Code =
            switch failure.kind {
            case .busy, .disk, .closed, .other: .unavailable
            case .full, .notWritable, .tooLarge: .refused
            case .damaged: .malformed
            }
        self.init(code, "\(attempt) in the embedded store: \(failure.words)")
    }
}
