#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif
import GRDB
import TallyCore

/// Puts a copy in the place of the embedded file, while nobody uses that.
///
/// Where the store is in the file, too, both go back together and fit. Where it is elsewhere, the buffer begins a new
/// epoch at its first write, as after every opening: what the copy holds under the old epoch keeps its numbers, so what
/// the store has of it is not counted again. What was counted after the copy was made, and is not in the store, is gone
/// from there; where the file that held it is still at hand it is kept beside.
public enum EmbeddedRestore {
    /// What was done.
    public struct Outcome: Sendable {
        public let restored: CopySummary
        /// What was there, and the name that it has now; nil where nothing was.
        public let replaced: (summary: CopySummary, path: String)?
    }

    /// Puts the copy there as one transaction, under a lock that keeps every other process out: whatever interrupts it,
    /// the file is the old one or the new one.
    /// - Parameters:
    ///   - replaces: whether it may take the place of a file that is there; that is kept under another name.
    ///   - now: seconds since 1970, for that name.
    /// - Throws: `EmbeddedDatabaseError`. What was there is then as it was.
    public static func run(
        _ path: String, into directory: String, replaces: Bool, now: Int64
    ) throws -> Outcome {
        guard WholeFile.exists(path) else {
            throw EmbeddedDatabaseError(.missing, "there is no file \(path); name one that tally backup has written")
        }
        let summary = try CopySummary(of: path)
        try DataDirectory.prepare(directory)
        let target = EmbeddedDatabase.path(in: directory)
        let isNew = !WholeFile.exists(target)
        if isNew {
            guard !WholeFile.exists(target + "-wal") else {
                throw EmbeddedDatabaseError(
                    .taken, "\(target)-wal lies there without its file, and may hold counts; move it away first")
            }
            try WholeFile.create(target)
        }
        do {
            if isNew { try WholeFile.giveToOwner(of: directory, target) }
            let replaced = try EmbeddedDatabaseError.reporting("putting \(path) in the place of \(target)") {
                try self.exchange(target, for: path, replaces: replaces, now: now)
            }
            return Outcome(restored: summary, replaced: replaced)
        } catch {
            if isNew { unlink(target) }
            throw error
        }
    }

    private static func exchange(
        _ target: String, for path: String, replaces: Bool, now: Int64
    ) throws -> (summary: CopySummary, path: String)? {
        var configuration = Configuration()
        configuration.busyMode = .immediateError
        configuration.foreignKeysEnabled = false
        let queue = try self.opening(target) { try DatabaseQueue(path: target, configuration: configuration) }
        defer { try? queue.close() }
        return try queue.writeWithoutTransaction { db in
            try self.lock(db, target)
            let replaced = try self.keep(db, target, replaces: replaces, now: now)
            let copy = try DatabaseQueue(path: path, configuration: .patient)
            // All pages in one step, and so in one transaction (https://www.sqlite.org/c3ref/backup_finish.html).
            try copy.read { try $0.backup(to: db) }
            try copy.close()
            return replaced
        }
    }

    /// Keeps everybody else out for as long as the connection lives, and fails where somebody is in.
    private static func lock(_ db: Database, _ target: String) throws {
        try self.opening(target) {
            // SQLite leaves the write-ahead log only where no other connection has the file open, and has then brought
            // all of it into the file (https://www.sqlite.org/wal.html, section 2.3). Without that log one lock excludes
            // readers too, and in this mode it is kept after the transaction.
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = DELETE")
            try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
            let modeNow = try String.fetchOne(db, sql: "PRAGMA journal_mode")
            guard mode == "delete", modeNow == "delete" else { throw DatabaseError(resultCode: .SQLITE_BUSY) }
        }
    }

    /// Copies what is there to another name.
    private static func keep(
        _ db: Database, _ target: String, replaces: Bool, now: Int64
    ) throws -> (summary: CopySummary, path: String)? {
        let tables = try self.opening(target) { try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") } ?? 0
        guard tables > 0 else { return nil }
        guard replaces else {
            throw EmbeddedDatabaseError(
                .taken,
                "\(target) is there already; with --force it is kept under another name, and the copy takes its place")
        }
        let summary = try self.opening(target) { try CopySummary(db, path: target) }
        let stamp = Timestamp.iso8601(now).filter { $0 != ":" && $0 != "-" }
        let aside = "\(target).before-restore-\(stamp)"
        guard !WholeFile.exists(aside) else { throw WholeFile.taken(aside) }
        try WholeFile.create(aside)
        do {
            try db.execute(sql: "VACUUM INTO ?", arguments: [aside])
            try WholeFile.giveToOwner(of: WholeFile.folder(of: target), aside)
            try WholeFile.sync(aside)
        } catch {
            unlink(aside)
            throw error
        }
        return (summary, aside)
    }

    /// Says of what is there what to do about it.
    private static func opening<Result>(_ target: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as EmbeddedDatabaseError where error.code != .notADatabase {
            throw error
        } catch {
            switch (SQLiteFailure(error).kind, (error as? EmbeddedDatabaseError)?.code) {
            case (.busy, _):
                throw EmbeddedDatabaseError(
                    .busy, "\(target) is open in another process; stop the service first, then restore again")
            case (.damaged, _), (_, .notADatabase):
                throw EmbeddedDatabaseError(
                    .notADatabase,
                    "what is there, \(target), is damaged or not tally's, so it cannot be kept as a copy; stop the "
                        + "service, move \(target) and the -wal and -shm beside it away, then restore again")
            default: throw error
            }
        }
    }
}
