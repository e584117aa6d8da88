import GRDB

/// What a file of tally's holds, found by reading all of it.
public struct CopySummary: Sendable, Equatable {
    public let bytes: Int64
    /// Clients in the store.
    public let clients: Int
    /// Counts in the store, over all events.
    public let stored: Int64
    /// Counts that wait in the buffer.
    public let pending: Int64

    /// Looks whether the file is tally's, of a version that this one knows, and whole.
    /// - Throws: `EmbeddedDatabaseError`.
    init(of path: String) throws {
        self = try EmbeddedDatabaseError.reporting("reading \(path)") {
            let queue = try DatabaseQueue(path: path, configuration: .patient)
            let summary = try queue.read { try CopySummary($0, path: path) }
            try queue.close()
            return summary
        }
    }

    init(_ db: Database, path: String) throws {
        guard try Int64.fetchOne(db, sql: "PRAGMA application_id") == EmbeddedSchema.applicationID else {
            throw EmbeddedDatabaseError(.notADatabase, "\(path) is no copy of tally's embedded file; name one that is")
        }
        guard try !EmbeddedSchema.migrator.hasBeenSuperseded(db) else {
            throw EmbeddedDatabaseError(
                .newerSchema, "\(path) was written by a newer version of tally; use that version of the program")
        }
        let check = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "nothing"
        guard check == "ok" else {
            throw EmbeddedDatabaseError(.notADatabase, "\(path) is damaged (\(check)); take another copy")
        }
        func number(_ sql: String) throws -> Int64 { try Int64.fetchOne(db, sql: sql) ?? 0 }
        self.bytes = try number("PRAGMA page_count") * number("PRAGMA page_size")
        self.clients = Int(try number("SELECT count(DISTINCT client) FROM store_tests"))
        self.stored = try number("SELECT coalesce(sum(count), 0) FROM store_counts")
        self.pending = try number(
            """
            SELECT live_total + (SELECT coalesce(sum(total), 0) FROM batches WHERE kind = 'batch') FROM buffer_state
            """)
    }
}

extension Configuration {
    /// For a file beside a service: waits for its commits.
    static var patient: Configuration {
        var configuration = Configuration()
        configuration.label = "tally-copy"
        configuration.busyMode = .timeout(10)
        configuration.foreignKeysEnabled = false
        return configuration
    }
}

extension EmbeddedDatabaseError {
    /// Runs `body`, and puts SQLite's errors into words.
    /// - Parameter attempt: what it does, as in "reading /var/lib/tally/tally.sqlite".
    static func reporting<Result>(_ attempt: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as EmbeddedDatabaseError {
            throw error
        } catch {
            throw EmbeddedDatabaseError(attempt, SQLiteFailure(error))
        }
    }
}
