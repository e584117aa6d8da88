import GRDB
import TallyCore
import Testing

@testable import TallySQLite

@Suite("Event IDs in the embedded buffer")
struct EventIDTests {
    private let directory = TemporaryDirectory()
    private let clock = TestClock()
    private let database: EmbeddedDatabase

    init() throws { self.database = try EmbeddedDatabase(directory: self.directory.path) }

    private func buffer(
        window: Int = 100, maximum: Int = 1_000, bounds: NameBounds = .standard, database: EmbeddedDatabase? = nil
    ) -> SQLiteBuffer {
        SQLiteBuffer(
            database: database ?? self.database, kind: "embedded", bounds: bounds,
            eventIDs: EventIDBounds(window: .seconds(window), maximum: maximum), storeIsElsewhere: false,
            clock: self.clock.read)
    }

    private func rows(_ table: String) throws -> Int {
        try self.database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? -1 }
    }

    @Test("are counted once, also within one batch and within one request; of another client they are others")
    func once() async throws {
        let buffer = self.buffer()
        let lane = try await TestLane.on(buffer)
        let units = [
            [Hit(count: 1, id: "x")], [Hit(count: 10, id: "x")],
            [Hit(count: 100, id: "y"), Hit(count: 1_000), Hit(count: 10_000, id: "y")],
            [Hit(client: "other", count: 100_000, id: "x")],
        ]
        #expect(try await lane.send(CountBatch(units: units)).verdicts == Verdicts(duplicates: [1, 4]))
        #expect(try await lane.send(CountBatch(units: units)).verdicts == Verdicts(duplicates: [0, 1, 2, 4, 5]))
        #expect(try await buffer.ledger().live == 101_101 + 1_000)
        #expect(try self.rows("seen_ids") == 3)
    }

    @Test("hold for another counter, after a seal, for another lane, and after reopening")
    func elsewhere() async throws {
        let buffer = self.buffer()
        #expect(try await TestLane.on(buffer).send(CountBatch(Hit(id: "x"))).isAllCounted)
        try await buffer.seal()
        let other = try await TestLane.on(buffer)
        #expect(try await other.send(CountBatch(Hit(test: "another", id: "x"))).verdicts == Verdicts(duplicates: [0]))
        let reopened = self.buffer(database: try EmbeddedDatabase(directory: self.directory.path))
        let third = try await TestLane.on(reopened)
        #expect(try await third.send(CountBatch(Hit(id: "x"), Hit(id: "z"))).verdicts == Verdicts(duplicates: [0]))
        #expect(try await buffer.ledger().live == 1)
    }

    @Test("are remembered for the window, and at most a quarter and two seconds longer", arguments: [60, 100, 601])
    func window(seconds: Int) async throws {
        let lane = try await TestLane.on(self.buffer(window: seconds))
        let start = self.clock.now
        // The last one in a slice, and its first, which the same slice keeps for longer.
        #expect(try await lane.send(CountBatch(Hit(id: "first"))).isAllCounted)
        self.clock.now = start + Int64(seconds / 4) - 1
        #expect(try await lane.send(CountBatch(Hit(id: "last"))).isAllCounted)
        self.clock.now += Int64(seconds)
        #expect(
            try await lane.send(CountBatch(Hit(id: "first"), Hit(id: "last"))).verdicts == Verdicts(duplicates: [0, 1]))
        self.clock.now = start + Int64(seconds) * 5 / 4 + 2
        #expect(try await lane.send(CountBatch(Hit(id: "first"))).isAllCounted)
    }

    @Test("stay remembered when the clock is put back, or the window made shorter or longer")
    func clockAndWindow() async throws {
        let lane = try await TestLane.on(self.buffer(window: 100))
        #expect(try await lane.send(CountBatch(Hit(id: "x"))).isAllCounted)
        self.clock.now -= 10_000
        #expect(try await lane.send(CountBatch(Hit(id: "x"), Hit(id: "y"))).verdicts == Verdicts(duplicates: [0]))
        self.clock.now += 10_090
        let shorter = try await TestLane.on(self.buffer(window: 60))
        let longer = try await TestLane.on(self.buffer(window: 6_000))
        #expect(try await shorter.send(CountBatch(Hit(id: "x"))).verdicts == Verdicts(duplicates: [0]))
        #expect(try await longer.send(CountBatch(Hit(id: "x"))).verdicts == Verdicts(duplicates: [0]))
    }

    @Test("that are forgotten are counted again, also where the window was made longer while nothing came")
    func longerWindowAfterAPause() async throws {
        #expect(try await TestLane.on(self.buffer(window: 60)).send(CountBatch(Hit(id: "x"))).isAllCounted)
        self.clock.now += 70
        let buffer = self.buffer(window: 600)
        let lane = try await TestLane.on(buffer)
        #expect(try await lane.send(CountBatch(Hit(id: "x"), Hit(id: "y"))).isAllCounted)
        #expect(try await lane.send(CountBatch(Hit(id: "x"), Hit(id: "y"))).verdicts == Verdicts(duplicates: [0, 1]))
        #expect(try await buffer.ledger().live == 3)
    }

    @Test("beyond the bound are refused with their unit; those that are known still are duplicates")
    func bound() async throws {
        let buffer = self.buffer(maximum: 3)
        let lane = try await TestLane.on(buffer)
        let units = [
            [Hit(id: "1")], [Hit(id: "2"), Hit(), Hit(id: "2")], [Hit(id: "3"), Hit(id: "4")], [Hit(id: "1")], [Hit()],
            [Hit(id: "5")], [Hit(id: "6")],
        ]
        #expect(
            try await lane.send(CountBatch(units: units)).verdicts
                == Verdicts(
                    exceptions: [
                        .init(unit: 2, refusal: .tooManyIDs, entry: 5), .init(unit: 6, refusal: .tooManyIDs, entry: 9),
                    ], duplicates: [3, 6]))
        #expect(try await buffer.ledger().live == 5)
        // There is room again when they are forgotten, although their rows are still being removed.
        self.clock.now += 127
        #expect(try await lane.send(CountBatch(Hit(id: "4"), Hit(id: "6"), Hit(id: "1"))).isAllCounted)
        #expect(
            try await lane.send(CountBatch(Hit(id: "7"))).verdicts
                == Verdicts(exceptions: [.init(unit: 0, refusal: .tooManyIDs, entry: 0)]))
    }

    @Test("of a unit that meets a bound on names are not remembered")
    func refused() async throws {
        let buffer = self.buffer(bounds: NameBounds(testsPerClient: 1))
        let lane = try await TestLane.on(buffer)
        let units = [[Hit(id: "1")], [Hit(id: "2"), Hit(test: "too many", id: "3")], [Hit(id: "2")]]
        #expect(
            try await lane.send(CountBatch(units: units)).verdicts
                == Verdicts(exceptions: [.init(unit: 1, refusal: .tooManyTests, entry: 2)]))
        #expect(try await lane.send(CountBatch(Hit(id: "3"))).isAllCounted)
        // A duplicate is not counted, so it meets no bound.
        #expect(
            try await lane.send(CountBatch(Hit(test: "too many", id: "3"))).verdicts == Verdicts(duplicates: [0]))
        #expect(try await buffer.ledger().live == 3)
    }

    @Test("of a transaction that was rolled back are not remembered")
    func rolledBack() async throws {
        let buffer = self.buffer()
        let lane = try await TestLane.on(buffer)
        #expect(try await lane.send(CountBatch(Hit())).isAllCounted)
        try await self.setMaximumPages("(SELECT page_count FROM pragma_page_count)")
        let many = CountBatch(units: (0..<500).map { [Hit(id: "event-number-\($0)-with-a-long-name")] })
        #expect(try await lane.send(many).notCounted != nil)
        try await self.setMaximumPages("1000000")
        #expect(try await lane.send(many).isAllCounted)
        #expect(try await buffer.ledger().live == 501)
    }

    @Test("take a bounded number of rows, since those that are over are removed as new ones come")
    func rowsAreRemoved() async throws {
        let maximum = 600
        let lane = try await TestLane.on(self.buffer(window: 100, maximum: maximum))
        var most = 0
        for step in 0..<60 {
            self.clock.now += 10
            let hits = (0..<40).map { [Hit(id: "\(step)-\($0)")] }
            #expect(try await lane.send(CountBatch(units: hits)).isAllCounted)
            most = max(most, try self.rows("seen_ids"))
        }
        #expect(most <= maximum)
        // After a long pause few are left soon, and of the slices only those that are remembered or being removed.
        self.clock.now += 10_000
        for step in 0..<40 { #expect(try await lane.send(CountBatch(Hit(id: "later-\(step)"))).isAllCounted) }
        #expect(try self.rows("seen_ids") == 40)
        #expect(try self.rows("seen_slices") == 1)
    }

    @Test("are remembered in a file that an earlier version made")
    func olderFile() async throws {
        let directory = TemporaryDirectory()
        try DataDirectory.prepare(directory.path)
        let path = directory.path + "/" + EmbeddedDatabase.fileName
        let older = try DatabasePool(path: path)
        try EmbeddedSchema.migrator.migrate(older, upTo: "1 store")
        try older.close()
        let buffer = self.buffer(database: try EmbeddedDatabase(directory: directory.path))
        let lane = try await TestLane.on(buffer)
        #expect(try await lane.send(CountBatch(Hit(id: "x"), Hit(id: "x"))).verdicts == Verdicts(duplicates: [1]))
    }

    private func setMaximumPages(_ pages: String) async throws {
        try await self.database.pool.writeWithoutTransaction { db in
            let pages = try Int64.fetchOne(db, sql: "SELECT \(pages)") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
    }
}
