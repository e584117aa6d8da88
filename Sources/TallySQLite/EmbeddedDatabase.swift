import GRDB
import TallyCore

/// The one file, `tally.sqlite`, that holds the embedded buffer and the embedded store.
///
/// Write-ahead log with `synchronous=FULL`: a commit that has returned survives a power failure
/// (https://www.sqlite.org/pragma.html#pragma_synchronous). One connection writes, several read beside it. Other
/// processes may have the same file open; whoever writes takes SQLite's write lock first and reads the state anew.
///
/// Opening creates what is missing, so it is to be done only where a buffer or a store in it is needed.
public final class EmbeddedDatabase: Sendable {
    /// The file's name within its directory; SQLite puts `-wal` and `-shm` beside it.
    public static let fileName = "tally.sqlite"

    /// Where the file lies.
    public let path: String
    /// 32 hexadecimal digits, drawn when the file was made. A Redis whose counts go into this file is bound to it.
    public let storeID: String

    let pool: DatabasePool
    let commits: GroupCommit
    /// The epoch of the buffer in the file when it was opened, and whether its batches may be in a store elsewhere.
    let epochAtOpening: (epoch: Epoch, isElsewhere: Bool)

    /// Opens the file in `directory`, and creates both where they are missing: the directory for its owner alone (0700),
    /// the file likewise (0600).
    ///
    /// - Parameter busyTimeout: how long a write waits for another process to finish one. Below the time after which
    ///   /track gives up, so that a refusal is still a certain one.
    public init(directory: String, busyTimeout: Duration = .seconds(4)) throws(EmbeddedDatabaseError) {
        let path = Self.path(in: directory)
        try DataDirectory.prepare(directory)
        try DataDirectory.createPrivateFile(path)

        var configuration = Configuration()
        configuration.label = "tally"
        configuration.busyMode = .timeout(busyTimeout / .seconds(1))
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            // Where a plain fsync does not reach the medium (macOS); elsewhere without effect.
            try db.execute(sql: "PRAGMA fullfsync = ON")
            // A long read lets the log grow; it is cut back to this many bytes afterwards.
            try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
        }

        // Two processes that open a new file at once may meet in a way that SQLite does not wait for, or make the tables
        // at the same moment; whoever comes second finds everything done when it tries again.
        var attempt = 1
        while true {
            do {
                (self.pool, self.storeID, self.epochAtOpening) = try Self.open(path: path, configuration: configuration)
                break
            } catch let error as EmbeddedDatabaseError {
                throw error
            } catch {
                attempt += 1
                guard attempt <= 3, SQLiteFailure(error).mayPass else {
                    throw EmbeddedDatabaseError(opening: path, SQLiteFailure(error))
                }
            }
        }
        self.path = path
        self.commits = GroupCommit(pool: self.pool)
    }

    /// Whether a file is there, without opening or creating it: what an embedded buffer holds is flushed whatever is
    /// configured later.
    public static func exists(in directory: String) -> Bool { DataDirectory.isFile(self.path(in: directory)) }

    /// Closes all connections once what was begun has ended. Whatever is asked afterwards is answered with an error.
    public func close() throws(EmbeddedDatabaseError) {
        do {
            try self.pool.close()
        } catch {
            throw EmbeddedDatabaseError(.unusable, "closing \(self.path): \(SQLiteFailure(error).words)")
        }
    }

    static func path(in directory: String) -> String {
        directory.hasSuffix("/") ? directory + self.fileName : directory + "/" + self.fileName
    }

    private static func open(
        path: String, configuration: Configuration
    ) throws -> (DatabasePool, storeID: String, epoch: (Epoch, isElsewhere: Bool)) {
        let pool = try DatabasePool(path: path, configuration: configuration)
        // Opening a pool sets NORMAL, under which a commit may be lost with the power; hence afterwards, and checked.
        try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
                throw EmbeddedDatabaseError(.unusable, "\(path): SQLite did not take synchronous=FULL")
            }
        }
        try EmbeddedSchema.bringUpToDate(pool, path: path)
        let storeID = try pool.read { try String.fetchOne($0, sql: "SELECT store_id FROM store_state") }
        guard let storeID else {
            throw EmbeddedDatabaseError(
                .notADatabase, "\(path) lacks the record that names it; put back a complete copy, or move it away")
        }
        let epoch = try pool.read { db in
            let epoch = try BufferState.load(db).epoch
            return (epoch, isElsewhere: try EpochsElsewhere.contains(epoch, db))
        }
        return (pool, storeID, epoch)
    }
}

extension EmbeddedDatabase {
    /// Leaves some commits to the counts alone, between two pieces of a flush.
    func pause(_ pace: FlushPace) async {
        switch pace.gait {
        case .full: await Task.yield()
        case .considerate: try? await Task.sleep(for: .milliseconds(3))
        }
    }

    /// Runs `body` in the next commit, after whatever was asked for before.
    /// - Throws: `TransactionFailure`.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws -> Result {
        try await self.commits.run(body)
    }

    /// Runs `body` beside the writer, on one unchanging state of the whole file.
    func read<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            self.pool.asyncRead { db in
                continuation.resume(with: Swift.Result { try body(db.get()) })
            }
        }
    }
}
