import GRDB
import TallyCore

/// Enforces the bounds on names: which were ever counted is recorded in the same transaction as the counts.
///
/// In front of the tables stands a cache of whole counters that are recorded. Names are only ever added, by whatever
/// process, so what is in it stays true, but for what is rolled back, be it a member or a whole transaction: then it is to
/// be emptied, before anybody else counts.
struct KnownNames: Sendable {
    /// How many counters the cache holds, 259 bytes each at most. Full, it is emptied and fills again.
    static let maximumCachedCounters = 100_000

    private let bounds: NameBounds
    private var cache: Set<PackedField> = []

    init(bounds: NameBounds) { self.bounds = bounds }

    /// Records the names of a unit's entries, or refuses the unit and records none of them.
    /// - Returns: the first entry that met a bound, and which.
    mutating func admit(
        _ entries: some Collection<Int>, of batch: ParsedBatch, in bytes: UnsafeRawBufferPointer,
        state: inout BufferState,
        _ db: Database
    ) throws -> (entry: Int, refusal: Refusal)? {
        if entries.allSatisfy({ self.cache.contains(PackedField(batch.source.field($0))) }) { return nil }

        let clients = state.clients
        try SQLStatement(db, "SAVEPOINT unit").run()
        for entry in entries {
            guard let refusal = try self.record(batch.names[entry], in: bytes, state: &state, db) else { continue }
            try SQLStatement(db, "ROLLBACK TO unit").run()
            try SQLStatement(db, "RELEASE unit").run()
            state.clients = clients
            return (entry, refusal)
        }
        try SQLStatement(db, "RELEASE unit").run()

        if self.cache.count + entries.count > Self.maximumCachedCounters { self.cache.removeAll(keepingCapacity: true) }
        // Copied, lest a name of a few bytes keep its whole batch in memory.
        for entry in entries { self.cache.insert(PackedField(ArraySlice(Array(batch.source.field(entry))))) }
        return nil
    }

    /// Forgets what was learnt from what is not kept.
    mutating func forget() { self.cache.removeAll(keepingCapacity: true) }

    private func record(
        _ names: ParsedBatch.Names, in bytes: UnsafeRawBufferPointer, state: inout BufferState, _ db: Database
    ) throws -> Refusal? {
        let client = names.client(in: bytes)
        let test = names.test(in: bytes)

        var tests: Int64 = 0
        let findClient = try SQLStatement(db, "SELECT tests FROM known_clients WHERE client = ?")
        findClient.bind(1, client)
        if let known = try findClient.first({ $0.integer(0) }) {
            tests = known
        } else {
            guard state.clients < Int64(self.bounds.clients) else { return .tooManyClients }
            let insert = try SQLStatement(db, "INSERT INTO known_clients (client, tests) VALUES (?, 0)")
            insert.bind(1, client)
            try insert.run()
            state.clients += 1
        }

        var variations: Int64 = 0
        var events: Int64 = 0
        let findTest = try SQLStatement(db, "SELECT variations, events FROM known_tests WHERE client = ? AND test = ?")
        findTest.bind(1, client)
        findTest.bind(2, test)
        if let known = try findTest.first({ ($0.integer(0), $0.integer(1)) }) {
            (variations, events) = known
        } else {
            guard tests < Int64(self.bounds.testsPerClient) else { return .tooManyTests }
            let insert = try SQLStatement(
                db, "INSERT INTO known_tests (client, test, variations, events) VALUES (?, ?, 0, 0)")
            insert.bind(1, client)
            insert.bind(2, test)
            try insert.run()
            let update = try SQLStatement(db, "UPDATE known_clients SET tests = tests + 1 WHERE client = ?")
            update.bind(1, client)
            try update.run()
        }

        if try self.insert(
            names.variation(in: bytes), client, test, db, Self.variation,
            unless: {
                variations >= Int64(self.bounds.variationsPerTest)
            })
        {
            return .tooManyVariations
        }
        if try self.insert(
            names.event(in: bytes), client, test, db, Self.event,
            unless: {
                events >= Int64(self.bounds.eventsPerTest)
            })
        {
            return .tooManyEvents
        }
        return nil
    }

    /// The statements for the names below a test, one set for each kind.
    private struct Below {
        let find: String
        let insert: String
        let count: String
    }

    private static let variation = Below(
        find: "SELECT 1 FROM known_variations WHERE client = ? AND test = ? AND variation = ?",
        insert: "INSERT INTO known_variations (client, test, variation) VALUES (?, ?, ?)",
        count: "UPDATE known_tests SET variations = variations + 1 WHERE client = ? AND test = ?")
    private static let event = Below(
        find: "SELECT 1 FROM known_events WHERE client = ? AND test = ? AND event = ?",
        insert: "INSERT INTO known_events (client, test, event) VALUES (?, ?, ?)",
        count: "UPDATE known_tests SET events = events + 1 WHERE client = ? AND test = ?")

    /// Records a name that is new. Returns true where it is new and there is no room.
    private func insert(
        _ name: UnsafeRawBufferPointer, _ client: UnsafeRawBufferPointer, _ test: UnsafeRawBufferPointer,
        _ db: Database, _ sql: Below, unless isFull: () -> Bool
    ) throws -> Bool {
        let find = try SQLStatement(db, sql.find)
        find.bind(1, client)
        find.bind(2, test)
        find.bind(3, name)
        if try find.first({ _ in true }) != nil { return false }
        if isFull() { return true }
        let insert = try SQLStatement(db, sql.insert)
        insert.bind(1, client)
        insert.bind(2, test)
        insert.bind(3, name)
        try insert.run()
        let count = try SQLStatement(db, sql.count)
        count.bind(1, client)
        count.bind(2, test)
        try count.run()
        return false
    }
}

/// A packed name as a key. Hashes its bytes in one go, where `ArraySlice` would take them one by one.
private struct PackedField: Hashable {
    let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    static func == (left: PackedField, right: PackedField) -> Bool { left.bytes.elementsEqual(right.bytes) }

    func hash(into hasher: inout Hasher) { self.bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}
