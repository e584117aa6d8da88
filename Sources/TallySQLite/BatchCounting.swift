import GRDB
import TallyCore

/// Adds the increments of batches to the live batch, within a transaction.
struct BatchCounting {
    private let db: Database
    private let update: SQLStatement
    private let insert: SQLStatement

    init(_ db: Database) throws {
        self.db = db
        // Two statements in place of an upsert, because it must be known whether the counter is a new one.
        self.update = try SQLStatement(
            db,
            """
            UPDATE counts SET count = count + ?
            WHERE batch = ? AND client = ? AND test = ? AND variation = ? AND event = ?
            """)
        self.insert = try SQLStatement(
            db, "INSERT INTO counts (count, batch, client, test, variation, event) VALUES (?, ?, ?, ?, ?, ?)")
    }

    /// Counts a batch, but for the units that meet a bound and the entries whose event IDs are remembered; `state` must
    /// have room for its sum.
    /// - Parameter seen: needed where the batch has event IDs.
    func count(
        _ batch: ParsedBatch, state: inout BufferState, names: inout KnownNames, seen: inout SeenIDs?
    ) throws -> Verdicts {
        try batch.source.bytes.withUnsafeBytes { bytes in
            var exceptions: [Verdicts.Exception] = []
            var duplicates: [Int] = []
            let entries = batch.source.entries
            var start = 0
            while start < entries.count {
                let unit = entries[start].unit
                var end = start + 1
                while end < entries.count, entries[end].unit == unit { end += 1 }
                let refused: (entry: Int, refusal: Refusal)?
                if let sifted = try seen?.sift(start..<end, of: batch, in: bytes) {
                    if let entry = sifted.withoutRoom {
                        refused = (entry, .tooManyIDs)
                    } else {
                        refused = try self.count(sifted.fresh, of: batch, in: bytes, state: &state, names: &names)
                        if refused == nil {
                            try seen?.record(sifted.fresh, of: batch, in: bytes)
                            duplicates += sifted.duplicates
                        }
                    }
                } else {
                    refused = try self.count(start..<end, of: batch, in: bytes, state: &state, names: &names)
                }
                if let refused {
                    exceptions.append(.init(unit: Int(unit), refusal: refused.refusal, entry: refused.entry))
                }
                start = end
            }
            if exceptions.isEmpty && duplicates.isEmpty { return .allCounted }
            return Verdicts(exceptions: exceptions, duplicates: duplicates)
        }
    }

    /// Counts entries of one unit, or says which of them met which bound, and then counts none.
    private func count(
        _ entries: some Collection<Int>, of batch: ParsedBatch, in bytes: UnsafeRawBufferPointer,
        state: inout BufferState, names: inout KnownNames
    ) throws -> (entry: Int, refusal: Refusal)? {
        if let refused = try names.admit(entries, of: batch, in: bytes, state: &state, self.db) { return refused }
        for entry in entries {
            try self.add(batch.source.entries[entry].count, batch.names[entry], in: bytes, state: &state)
        }
        return nil
    }

    private func add(
        _ count: Int64, _ names: ParsedBatch.Names, in bytes: UnsafeRawBufferPointer, state: inout BufferState
    ) throws {
        let isThere = try self.run(self.update, count, names, in: bytes, state.livePosition) > 0
        if !isThere { _ = try self.run(self.insert, count, names, in: bytes, state.livePosition) }
        state.counted(count, newFields: isThere ? 0 : 1)
    }

    private func run(
        _ statement: SQLStatement, _ count: Int64, _ names: ParsedBatch.Names, in bytes: UnsafeRawBufferPointer,
        _ position: Int64
    ) throws -> Int {
        statement.bind(1, count)
        statement.bind(2, position)
        statement.bind(3, names.client(in: bytes))
        statement.bind(4, names.test(in: bytes))
        statement.bind(5, names.variation(in: bytes))
        statement.bind(6, names.event(in: bytes))
        return try statement.run()
    }
}
