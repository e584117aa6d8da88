import GRDB
import TallyCore

/// The tables, as named migrations: a migration that was once released is never changed, what is new is appended.
///
/// Tables are STRICT (https://www.sqlite.org/stricttables.html): a sum beyond 64 bits, which SQLite would turn into a
/// floating-point number, is an error. Names are TEXT compared by BINARY, which is by their UTF-8 bytes.
enum EmbeddedSchema {
    /// Marks the file as tally's (https://www.sqlite.org/pragma.html#pragma_application_id): "tlly" in ASCII.
    static let applicationID: Int64 = 0x746C_6C79

    /// - Throws: `EmbeddedDatabaseError` for a file that is not tally's or is newer, else SQLite's error.
    static func bringUpToDate(_ pool: DatabasePool, path: String) throws {
        try pool.read { db in
            let owner = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            let tables =
                try Int.fetchOne(
                    db, sql: "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'grdb_%'") ?? 0
            guard owner == self.applicationID || (owner == 0 && tables == 0) else {
                throw EmbeddedDatabaseError(
                    .notADatabase,
                    "\(path) is the database of another program; let DATA_DIR name another directory")
            }
            guard try !self.migrator.hasBeenSuperseded(db) else {
                throw EmbeddedDatabaseError(
                    .newerSchema,
                    "\(path) was written by a newer version of tally; run that version, or let DATA_DIR name another "
                        + "directory")
            }
        }
        try self.migrator.migrate(pool)
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 buffer") { db in
            try db.execute(sql: self.buffer)
            try db.execute(
                sql: """
                    INSERT INTO buffer_state
                        (id, epoch, last_number, live_position, live_hour, live_total, live_fields, accepted, clients)
                    VALUES (1, ?, 0, 1, 0, 0, 0, 0, 0)
                    """, arguments: [Epoch.random().description])
            try db.execute(sql: "PRAGMA application_id = \(self.applicationID)")
        }
        migrator.registerMigration("1 store") { db in
            try db.execute(sql: self.store)
            try db.execute(
                sql: "INSERT INTO store_state (id, store_id, flushed_at) VALUES (1, ?, NULL)",
                arguments: [Epoch.random().description + Epoch.random().description])
        }
        migrator.registerMigration("2 event IDs") { db in try db.execute(sql: self.eventIDs) }
        migrator.registerMigration("2 closed epochs") { db in try db.execute(sql: self.closedEpochs) }
        migrator.registerMigration("3 epochs elsewhere") { db in try db.execute(sql: self.epochsElsewhere) }
        return migrator
    }

    /// The rows of `counts` carry the position of their batch, so that sealing touches one row only: from then on new
    /// counts carry the next position. A position is never used twice.
    private static let buffer = """
        -- One row: where the buffer stands. Times are hours or seconds since 1970, UTC.
        CREATE TABLE buffer_state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch TEXT NOT NULL,             -- 16 hexadecimal digits
            last_number INTEGER NOT NULL,    -- of the batch sealed last in this epoch; 0 for none
            live_position INTEGER NOT NULL,  -- of the batch that takes counts now
            live_hour INTEGER NOT NULL,
            live_total INTEGER NOT NULL,
            live_fields INTEGER NOT NULL,
            accepted INTEGER NOT NULL,       -- everything counted in this epoch
            clients INTEGER NOT NULL         -- rows of known_clients
        ) STRICT;

        CREATE TABLE counts (
            batch INTEGER NOT NULL,
            client TEXT NOT NULL,
            test TEXT NOT NULL,
            variation TEXT NOT NULL,
            event TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (batch, client, test, variation, event)
        ) STRICT, WITHOUT ROWID;

        -- What waits to be flushed, in order. An epoch's end has the number 0, and as its total all that was accepted.
        CREATE TABLE batches (
            position INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('batch', 'epochClosed')),
            epoch TEXT NOT NULL,
            number INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            sealed_at INTEGER NOT NULL,
            total INTEGER NOT NULL,
            fields INTEGER NOT NULL,
            UNIQUE (epoch, number)
        ) STRICT;

        -- Acknowledged batches whose rows in counts are still to be removed.
        CREATE TABLE discarded (position INTEGER PRIMARY KEY) STRICT;

        -- Names that were ever counted, for the bounds on them, with the number of names below each.
        CREATE TABLE known_clients (
            client TEXT NOT NULL PRIMARY KEY, tests INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE known_tests (
            client TEXT NOT NULL, test TEXT NOT NULL, variations INTEGER NOT NULL, events INTEGER NOT NULL,
            PRIMARY KEY (client, test)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE known_variations (
            client TEXT NOT NULL, test TEXT NOT NULL, variation TEXT NOT NULL,
            PRIMARY KEY (client, test, variation)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE known_events (
            client TEXT NOT NULL, test TEXT NOT NULL, event TEXT NOT NULL,
            PRIMARY KEY (client, test, event)
        ) STRICT, WITHOUT ROWID;
        """

    /// IDs are forgotten a slice at a time, so that no index on their age is needed.
    private static let eventIDs = """
        -- Times are seconds since 1970, UTC. The slice begun last takes new IDs.
        CREATE TABLE seen_slices (
            slice INTEGER PRIMARY KEY,
            begun_at INTEGER NOT NULL,
            remembered_until INTEGER NOT NULL,  -- past it the slice is over, and its rows go some at a time
            ids INTEGER NOT NULL                -- rows of seen_ids, when none had gone
        ) STRICT;

        CREATE TABLE seen_ids (
            slice INTEGER NOT NULL, client TEXT NOT NULL, id TEXT NOT NULL,
            PRIMARY KEY (slice, client, id)
        ) STRICT, WITHOUT ROWID;
        """

    private static let closedEpochs = """
        -- The latest epochs that ended, oldest first, for the audit: their end is flushed, and what was accepted in them
        -- is still known.
        CREATE TABLE closed_epochs (
            position INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, accepted INTEGER NOT NULL
        ) STRICT;
        """

    private static let epochsElsewhere = """
        -- Epochs of this buffer whose batches went, or may have gone, to a store that is not in this file.
        CREATE TABLE epochs_elsewhere (
            epoch TEXT NOT NULL PRIMARY KEY,
            last_number INTEGER NOT NULL,  -- of the batch that was acknowledged last; 0 for none
            total INTEGER NOT NULL         -- of all that were
        ) STRICT, WITHOUT ROWID;
        """

    private static let store = """
        CREATE TABLE store_counts (
            client TEXT NOT NULL, test TEXT NOT NULL, event TEXT NOT NULL, variation TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (client, test, event, variation)
        ) STRICT, WITHOUT ROWID;

        -- Both in seconds since 1970.
        CREATE TABLE store_tests (
            client TEXT NOT NULL, test TEXT NOT NULL,
            first_tracked_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
            PRIMARY KEY (client, test)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE store_hourly (
            client TEXT NOT NULL, test TEXT NOT NULL, hour INTEGER NOT NULL, event TEXT NOT NULL,
            variation TEXT NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (client, test, hour, event, variation)
        ) STRICT, WITHOUT ROWID;

        -- How far each epoch of each buffer has been applied. Rows stay after the epoch's end: a late flusher, or an old
        -- copy of the buffer, must still find that its batches are done.
        CREATE TABLE store_epochs (
            epoch TEXT NOT NULL PRIMARY KEY,
            buffer TEXT NOT NULL,
            last_number INTEGER NOT NULL,     -- of the batch finished last
            total INTEGER NOT NULL,           -- of all finished batches
            partial_number INTEGER NOT NULL,  -- of the batch that is applied in part; 0 for none
            partial_client TEXT,              -- its document applied last
            partial_test TEXT,
            closed_at INTEGER
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE store_state (
            id INTEGER PRIMARY KEY CHECK (id = 1), store_id TEXT NOT NULL, flushed_at INTEGER
        ) STRICT;
        """
}
