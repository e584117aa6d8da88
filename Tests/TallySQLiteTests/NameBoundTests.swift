import Dispatch
import GRDB
import NIOCore
import NIOPosix
import TallyCore
import Testing

@testable import TallySQLite

@Suite("The bounds on names, in the embedded buffer")
struct NameBoundTests {
    private let directory = TemporaryDirectory()
    private let database: EmbeddedDatabase
    private let buffer: SQLiteBuffer
    private let bounds = NameBounds(clients: 2, testsPerClient: 2, variationsPerTest: 2, eventsPerTest: 2)

    init() throws {
        self.database = try EmbeddedDatabase(directory: self.directory.path)
        self.buffer = SQLiteBuffer(
            database: self.database, kind: "embedded", bounds: self.bounds, storeIsElsewhere: false)
    }

    static let cases: [(Refusal, @Sendable (Name) -> Hit)] = [
        (.tooManyClients, { Hit(client: $0) }),
        (.tooManyTests, { Hit(test: $0) }),
        (.tooManyVariations, { Hit(variation: $0) }),
        (.tooManyEvents, { Hit(event: $0) }),
    ]

    @Test("take as many as are allowed, refuse the next, and count its neighbours", arguments: 0..<4)
    func bound(which: Int) async throws {
        let (refusal, hit) = Self.cases[which]
        let lane = try await TestLane.on(self.buffer)
        let outcome = try await lane.send(CountBatch(hit("n1"), hit("n2"), hit("n3"), hit("n1")))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 2, refusal: refusal, entry: 2)]))
        // Known names go on being counted, in a fresh batch as well.
        try await self.buffer.seal()
        #expect(try await lane.send(CountBatch(hit("n2"))).isAllCounted)
        try await self.buffer.seal()
        #expect(try await self.buffer.batches().map(\.total) == [3, 1])
    }

    @Test("refuse a unit as a whole, and remember none of its names", arguments: 0..<4)
    func atomic(which: Int) async throws {
        let (refusal, hit) = Self.cases[which]
        let lane = try await TestLane.on(self.buffer)
        let outcome = try await lane.send(
            CountBatch(units: [[hit("n1")], [hit("n1"), hit("n2"), hit("n3")], [hit("n4"), hit("n1")]]))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 1, refusal: refusal, entry: 3)]))
        try await self.buffer.seal()
        #expect(try await self.buffer.batches().map(\.total) == [3])
    }

    @Test("hold for another process and after reopening")
    func reopened() async throws {
        let lane = try await TestLane.on(self.buffer)
        _ = try await lane.send(CountBatch(Hit(client: "n1"), Hit(client: "n2")))
        let other = SQLiteBuffer(
            database: try EmbeddedDatabase(directory: self.directory.path), kind: "embedded", bounds: self.bounds,
            storeIsElsewhere: false)
        let outcome = try await TestLane.on(other).send(CountBatch(Hit(client: "n3"), Hit(client: "n2")))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 0, refusal: .tooManyClients, entry: 0)]))
    }

    @Test("are counted in bytes: names that look the same are two")
    func bytes() async throws {
        let lane = try await TestLane.on(self.buffer)
        let outcome = try await lane.send(
            CountBatch(Hit(test: "é"), Hit(test: "e\u{301}"), Hit(test: "x")))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 2, refusal: .tooManyTests, entry: 2)]))
    }

    @Test("are not used up by a transaction that was rolled back")
    func rolledBack() async throws {
        let lane = try await TestLane.on(self.buffer)
        _ = try await lane.send(CountBatch(Hit()))
        try await self.setMaximumPages("(SELECT page_count FROM pragma_page_count)")
        let units = (0..<500).map { [Hit(client: $0 == 0 ? "n2" : "acme", event: $0 == 1 ? "buy" : .view)] }
        let large = CountBatch(units: units + [[Hit(test: Name(String(repeating: "x", count: 4096)))]])
        #expect(try await lane.send(large).notCounted != nil)
        try await self.setMaximumPages("1000000")
        let outcome = try await lane.send(CountBatch(Hit(client: "n3"), Hit(event: "signup"), Hit(event: "buy")))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 2, refusal: .tooManyEvents, entry: 2)]))
        #expect(try await self.buffer.ledger().live == 3)
    }

    @Test("hold for those who share a transaction with a batch that failed")
    func besideAFailure() async throws {
        try await self.database.pool.write { db in
            try db.execute(
                sql: """
                    CREATE TRIGGER fail BEFORE INSERT ON counts WHEN NEW.count = 13
                    BEGIN SELECT RAISE(ABORT, 'as if the disk were full'); END
                    """)
        }
        // Keeps the writer busy until both wait, and so into one transaction.
        let gate = DispatchSemaphore(value: 0)
        self.database.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let outcomes = [CountBatch(Hit(variation: "n1"), Hit(count: 13)), CountBatch(Hit(variation: "n1"))].map {
            ($0, eventLoop.makePromise(of: LaneOutcome.self))
        }
        try await eventLoop.submit { [buffer = self.buffer] in
            for (batch, outcome) in outcomes {
                buffer.makeLane(on: eventLoop).send(batch) { outcome.succeed($0) }
            }
        }.get()
        gate.signal()
        #expect(try await outcomes[0].1.futureResult.get().notCounted != nil)
        #expect(try await outcomes[1].1.futureResult.get().isAllCounted)
        let outcome = try await TestLane.on(self.buffer).send(CountBatch(Hit(variation: "n2"), Hit(variation: "n3")))
        #expect(outcome.verdicts == Verdicts(exceptions: [.init(unit: 1, refusal: .tooManyVariations, entry: 1)]))
    }

    private func setMaximumPages(_ pages: String) async throws {
        try await self.database.pool.writeWithoutTransaction { db in
            let pages = try Int64.fetchOne(db, sql: "SELECT \(pages)") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
    }
}
