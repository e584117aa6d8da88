import GRDB
import TallyCore

/// The event IDs that are remembered, as one batch finds and changes them within its transaction.
///
/// Time is the buffer's clock. Put back, it makes IDs be remembered for longer; put forward, forgotten earlier.
struct SeenIDs {
    /// What becomes of the entries of a unit.
    struct Sifted {
        /// To be counted.
        var fresh: [Int] = []
        /// Their IDs are remembered, or stand in the unit a second time.
        var duplicates: [Int] = []
        /// The first entry for whose ID there is no room; then nothing of the unit may be counted.
        var withoutRoom: Int?
    }

    private let db: Database
    private let bounds: EventIDBounds
    private let now: Int64
    private let windowSeconds: Int64
    private let find: SQLStatement
    /// How many are remembered.
    private var remembered: Int64
    /// The slice that takes new IDs, once there was one.
    private var slice: Int64?
    private var added: Int64 = 0

    /// - Parameter now: seconds since 1970.
    init(_ db: Database, bounds: EventIDBounds, now: Int64) throws {
        self.db = db
        self.bounds = bounds
        self.now = now
        self.windowSeconds = Int64((bounds.window / .seconds(1)).rounded(.up))
        let count = try SQLStatement(db, "SELECT sum(ids) FROM seen_slices WHERE remembered_until >= ?")
        count.bind(1, now)
        self.remembered = try count.first { $0.integer(0) } ?? 0
        // CROSS JOIN keeps this order: one look into each of the few slices.
        self.find = try SQLStatement(
            db,
            """
            SELECT 1 FROM seen_slices CROSS JOIN seen_ids USING (slice)
            WHERE remembered_until >= ? AND client = ? AND id = ?
            """)
    }

    /// Tells a unit's new entries from duplicates. Changes nothing: the unit may still be refused.
    func sift(_ entries: Range<Int>, of batch: ParsedBatch, in bytes: UnsafeRawBufferPointer) throws -> Sifted {
        var sifted = Sifted()
        var own: Set<[UInt8]> = []
        var newIDs: Int64 = 0
        for entry in entries {
            let id = batch.id(entry, in: bytes)
            guard !id.isEmpty else {
                sifted.fresh.append(entry)
                continue
            }
            let client = batch.names[entry].client(in: bytes)
            self.find.bind(1, self.now)
            self.find.bind(2, client)
            self.find.bind(3, id)
            // The same ID of another client is another ID; names hold no tabs.
            let isRepeated = !own.insert(Array(client) + [CounterField.separator] + Array(id)).inserted
            if try isRepeated || self.find.first({ _ in true }) != nil {
                sifted.duplicates.append(entry)
                continue
            }
            sifted.fresh.append(entry)
            newIDs += 1
            if self.remembered + newIDs > Int64(self.bounds.maximum) {
                sifted.withoutRoom = entry
                return sifted
            }
        }
        return sifted
    }

    /// Remembers the IDs of entries that are counted.
    mutating func record(_ entries: [Int], of batch: ParsedBatch, in bytes: UnsafeRawBufferPointer) throws {
        for entry in entries {
            let id = batch.id(entry, in: bytes)
            guard !id.isEmpty else { continue }
            let insert = try SQLStatement(self.db, "INSERT INTO seen_ids (slice, client, id) VALUES (?, ?, ?)")
            insert.bind(1, try self.openSlice())
            insert.bind(2, batch.names[entry].client(in: bytes))
            insert.bind(3, id)
            try insert.run()
            self.added += 1
            self.remembered += 1
        }
    }

    /// Writes down what was added, and removes some rows of slices that are over: twice as many as were added, so that
    /// no more rows lie in the file than may be remembered.
    func finish() throws {
        if let slice, self.added > 0 {
            let update = try SQLStatement(
                self.db,
                """
                UPDATE seen_slices SET ids = ids + ?, remembered_until = max(remembered_until, ?) WHERE slice = ?
                """)
            update.bind(1, self.added)
            update.bind(2, self.now + self.windowSeconds)
            update.bind(3, slice)
            try update.run()
        }
        try self.removeOver(maximumRows: 2 * self.added + 16)
    }

    /// The slice that takes new IDs; begins one where the newest has done so for its part of the window.
    private mutating func openSlice() throws -> Int64 {
        if let slice { return slice }
        let length = max(1, self.windowSeconds / Int64(EventIDBounds.slicesInWindow))
        let newest = try SQLStatement(
            self.db, "SELECT slice, begun_at, remembered_until FROM seen_slices ORDER BY slice DESC LIMIT 1"
        ).first { (slice: $0.integer(0), begunAt: $0.integer(1), rememberedUntil: $0.integer(2)) }
        // Not one that began long before, or that a clock which was put back has left in the future; nor one that is over
        // (of a window that was shorter), in which an ID that is new by now may still lie.
        let slice: Int64
        if let newest, abs(self.now - newest.begunAt) < length, newest.rememberedUntil >= self.now {
            slice = newest.slice
        } else {
            slice = (newest?.slice ?? 0) + 1
            let insert = try SQLStatement(
                self.db, "INSERT INTO seen_slices (slice, begun_at, remembered_until, ids) VALUES (?, ?, ?, 0)")
            insert.bind(1, slice)
            insert.bind(2, self.now)
            insert.bind(3, self.now + self.windowSeconds)
            try insert.run()
        }
        self.slice = slice
        return slice
    }

    private func removeOver(maximumRows: Int64) throws {
        let find = try SQLStatement(
            self.db, "SELECT slice FROM seen_slices WHERE remembered_until < ? ORDER BY slice LIMIT 1")
        find.bind(1, self.now)
        guard let slice = try find.first({ $0.integer(0) }) else { return }
        // As for counts: SQLite is not everywhere built with DELETE … LIMIT.
        let delete = try SQLStatement(
            self.db,
            """
            DELETE FROM seen_ids WHERE slice = ?1 AND (client, id) <= (
                SELECT client, id FROM seen_ids WHERE slice = ?1 ORDER BY client, id LIMIT 1 OFFSET ?2)
            """)
        delete.bind(1, slice)
        delete.bind(2, maximumRows - 1)
        if try delete.run() > 0 { return }
        // Fewer than that are left.
        for statement in ["DELETE FROM seen_ids WHERE slice = ?", "DELETE FROM seen_slices WHERE slice = ?"] {
            let rest = try SQLStatement(self.db, statement)
            rest.bind(1, slice)
            try rest.run()
        }
    }
}
