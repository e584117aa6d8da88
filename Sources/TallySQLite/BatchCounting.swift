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

    /// Counts a batch, but for the units that meet a bound; `state` must have room for its sum.
    func count(_ batch: ParsedBatch, state: inout BufferState, names: inout KnownNames) throws -> Verdicts {
        try batch.source.bytes.withUnsafeBytes { bytes in
            var exceptions: [Verdicts.Exception] = []
            let entries = batch.source.entries
            var start = 0
            while start < entries.count {
                let unit = entries[start].unit
                var end = start + 1
                while end < entries.count, entries[end].unit == unit { end += 1 }
                if let refused = try names.admit(start..<end, of: batch, in: bytes, state: &state, self.db) {
                    exceptions.append(.init(unit: Int(unit), refusal: refused.refusal, entry: refused.entry))
                } else {
                    for entry in start..<end {
                        try self.add(entries[entry].count, batch.names[entry], in: bytes, state: &state)
                    }
                }
                start = end
            }
            return exceptions.isEmpty ? .allCounted : Verdicts(exceptions: exceptions)
        }
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
