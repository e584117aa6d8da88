import GRDB
import TallyCore
import TallyTestSupport
import Testing

@testable import TallySQLite

@Suite("The embedded store")
struct SQLiteStoreTests {
    private let directory = TemporaryDirectory()
    private let database: EmbeddedDatabase
    private let store: SQLiteStore
    private let epoch = Epoch(7)

    init() throws {
        self.database = try EmbeddedDatabase(directory: self.directory.path)
        self.store = SQLiteStore(
            database: self.database, logger: .silent, clock: { 99 }, chunk: .init(documents: 3, counters: 1_000))
    }

    private func batch(
        _ number: Int64, epoch: Epoch? = nil, hour: Int64 = 500_000, documents: [DocumentCounts]
    ) -> SealedBatch {
        let hour = Hour(hoursSince1970: hour)
        return SealedBatch(
            id: BatchID(epoch: epoch ?? self.epoch, number: number), hour: hour, sealedAt: hour.secondsSince1970 + 60,
            buffer: "redis", documents: documents)
    }

    private func documents(_ count: Int, each: Int64 = 1) -> [DocumentCounts] {
        (0..<count).map {
            DocumentCounts(
                client: "acme", test: Name("t\(100 + $0)"),
                counts: [
                    .init(variation: "A", event: "buy", count: each), .init(variation: "A", event: .view, count: each),
                ])
        }
    }

    @Test("answers with what was applied, in the order of bytes")
    func metrics() async throws {
        #expect(try await self.store.metrics(client: "acme", test: nil) == nil)
        #expect(try await self.store.clients().isEmpty)
        try await self.store.apply(
            self.batch(
                1, hour: 500_001,
                documents: [
                    DocumentCounts(
                        client: "acme", test: "cta",
                        counts: [
                            .init(variation: "A", event: "buy", count: 2),
                            .init(variation: "A", event: .view, count: 5),
                            .init(variation: "b", event: .view, count: 6),
                            .init(variation: "é", event: .view, count: 7),
                        ]),
                    DocumentCounts(client: "acme", test: "é", counts: [.init(variation: "x", event: "zap", count: 1)]),
                    DocumentCounts(
                        client: "beta", test: "cta", counts: [.init(variation: "A", event: .view, count: 9)]),
                ]))
        try await self.store.apply(
            self.batch(
                2, hour: 500_000,
                documents: [
                    DocumentCounts(
                        client: "acme", test: "cta", counts: [.init(variation: "A", event: .view, count: 10)])
                ]))
        let late: Int64 = 500_001 * 3600
        let whole = try await self.store.metrics(client: "acme", test: nil)
        #expect(
            whole
                == ClientMetrics(
                    client: "acme", flushedAt: late + 60,
                    tests: [
                        TestMetrics(
                            test: "cta",
                            variations: [
                                .init(name: "A", count: 15), .init(name: "b", count: 6), .init(name: "é", count: 7),
                            ],
                            total: 28,
                            events: [.init(name: "buy", variations: [.init(name: "A", count: 2)])],
                            firstTrackedAt: 500_000 * 3600, updatedAt: late + 60),
                        TestMetrics(
                            test: "é", variations: [], total: 0,
                            events: [.init(name: "zap", variations: [.init(name: "x", count: 1)])],
                            firstTrackedAt: late, updatedAt: late + 60),
                    ]))
        try await self.store.recordFlush(at: 2_000_000_000)
        try await self.store.recordFlush(at: 1_900_000_000)
        let one = try #require(try await self.store.metrics(client: "acme", test: "é"))
        #expect(one.tests == [try #require(whole).tests[1]])
        #expect(one.flushedAt == 2_000_000_000)
        #expect(try await self.store.metrics(client: "acme", test: "none")?.tests == [])
        #expect(try await self.store.metrics(client: "Acme", test: nil) == nil)
        #expect(
            try await self.store.clients() == [
                ClientSummary(client: "acme", tests: 2, total: 28, updatedAt: late + 60),
                ClientSummary(client: "beta", tests: 1, total: 9, updatedAt: late + 60),
            ])
    }

    @Test("applies a number once in its epoch, and every epoch by itself")
    func once() async throws {
        for epoch in [Epoch(7), Epoch(.max)] {
            for number in [1, 1, 2, 1, 2] as [Int64] {
                try await self.store.apply(self.batch(number, epoch: epoch, documents: self.documents(4)))
            }
        }
        #expect(try await self.store.total() == 4 * 2 * 2 * 2)
        #expect(Set(try await self.store.ledger().map(\.total)) == [16])
    }

    @Test("goes on where an application stopped", arguments: 0..<4)
    func interrupted(chunks: Int) async throws {
        let batch = self.batch(1, documents: self.documents(10))
        for _ in 0..<chunks { #expect(try await !self.store.applyChunk(of: batch)) }
        #expect(try await self.store.total() == Int64(chunks * 3 * 2))
        #expect(try await self.store.ledger().map(\.lastNumber) == (chunks == 0 ? [] : [0]))
        // As after a crash: with another connection, and chunks of another size.
        let reopened = SQLiteStore(database: try EmbeddedDatabase(directory: self.directory.path), logger: .silent)
        for _ in 0..<2 { try await reopened.apply(batch) }
        #expect(try await self.store.total() == 20)
        #expect(
            try await self.store.ledger()
                == [.init(epoch: self.epoch, buffer: "redis", lastNumber: 1, total: 20, isClosed: false)])
    }

    @Test("finishes a batch of which an older copy of the buffer has kept less")
    func lessOfIt() async throws {
        _ = try await self.store.applyChunk(of: self.batch(1, documents: self.documents(10, each: 5)))
        try await self.store.apply(self.batch(1, documents: Array(self.documents(10).dropFirst(1))))
        #expect(try await self.store.total() == 3 * 2 * 5 + 7 * 2)
    }

    @Test("counts once what several apply at the same time")
    func concurrently() async throws {
        let others = try (0..<3).map { _ in
            SQLiteStore(
                database: try EmbeddedDatabase(directory: self.directory.path), logger: .silent, clock: { 0 },
                chunk: .init(documents: 2, counters: 1_000))
        }
        try await withThrowingTaskGroup { group in
            for store in others + [self.store] {
                group.addTask {
                    for number in 1...4 as ClosedRange<Int64> {
                        try await store.apply(self.batch(number, documents: self.documents(20)))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await self.store.total() == 4 * 20 * 2)
    }

    @Test("refuses the next batch while one is half applied, and an unsorted one altogether")
    func outOfOrder() async throws {
        _ = try await self.store.applyChunk(of: self.batch(1, documents: self.documents(10)))
        await #expect(throws: StoreError.self) {
            try await self.store.apply(self.batch(2, documents: self.documents(1)))
        }
        await #expect(throws: StoreError.self) {
            try await self.store.apply(self.batch(1, epoch: Epoch(8), documents: self.documents(3).reversed()))
        }
        await #expect(throws: StoreError.self) {
            try await self.store.apply(
                self.batch(1, epoch: Epoch(8), documents: self.documents(1) + self.documents(1)))
        }
        #expect(try await self.store.total() == 6)
    }

    @Test("gives a half applied batch up where the buffer's list began behind it, and says what is missing")
    func halfAppliedAndGone() async throws {
        let log = LogRecorder()
        let store = SQLiteStore(
            database: self.database, logger: log.logger, clock: { 99 }, chunk: .init(documents: 3, counters: 1_000))
        for number in 1...2 { try await store.apply(self.batch(Int64(number), documents: self.documents(1))) }
        _ = try await store.applyChunk(of: self.batch(3, documents: self.documents(10)), oldest: 3)
        #expect(log.lines.isEmpty)
        // A list that is older, or one in which it stands.
        for oldest in [nil, 1, 3] as [Int64?] {
            await #expect(throws: StoreError.self) {
                try await store.apply(self.batch(9, documents: self.documents(10)), pace: .full, oldest: oldest)
            }
        }
        #expect(log.lines.isEmpty)
        for _ in 1...2 {
            try await store.apply(self.batch(9, documents: self.documents(10)), pace: .full, oldest: 9)
        }
        #expect(try await store.total() == 2 * 2 + 3 * 2 + 10 * 2)
        #expect(try await store.ledger().map(\.lastNumber) == [9])
        let told = try #require(log.texts.first)
        #expect(log.lines.count == 1 && told.hasPrefix("warning") && told.contains("missing from the store"))
        #expect(told.contains("applying=9 ") && told.contains("last_applied=2") && told.contains("of number 3 a part"))
    }

    @Test("counts what comes before a batch that is half applied, and then the rest of that")
    func beforeHalfApplied() async throws {
        try await self.store.apply(self.batch(1, documents: self.documents(1)))
        _ = try await self.store.applyChunk(of: self.batch(4, documents: self.documents(10)), oldest: 4)
        for _ in 1...2 {
            for number in 2...4 as ClosedRange<Int64> {
                try await self.store.apply(self.batch(number, documents: self.documents(10)), pace: .full, oldest: 2)
            }
        }
        #expect(try await self.store.total() == 2 + 3 * 20)
        #expect(try await self.store.ledger().map(\.lastNumber) == [4])
        #expect(try await self.store.ledger().map(\.total) == [2 + 3 * 20])
    }

    @Test("says which numbers it never saw, and counts what comes after them")
    func gap() async throws {
        let log = LogRecorder()
        let store = SQLiteStore(database: self.database, logger: log.logger)
        for number in [1, 2] as [Int64] { try await store.apply(self.batch(number, documents: self.documents(1))) }
        #expect(log.lines.isEmpty)
        try await store.apply(self.batch(5, documents: self.documents(1)))
        try await store.apply(self.batch(6, documents: self.documents(1)))
        #expect(log.lines.map { $0.metadata["event"] } == ["batches_missing"])
        #expect(log.texts.allSatisfy { $0.contains("last_applied=2") && $0.contains("applying=5 ") })
        #expect(try await store.total() == 8)
    }

    @Test("remembers a closed epoch's numbers, so that an old copy's batches are still no news")
    func closed() async throws {
        try await self.store.apply(self.batch(3, documents: self.documents(1)))
        try await self.store.close(self.epoch)
        try await self.store.close(Epoch(1))
        try await self.store.apply(self.batch(3, documents: self.documents(1)))
        #expect(try await self.store.total() == 2)
        #expect(try await self.store.ledger().map(\.isClosed) == [true])
    }

    @Test("counts what comes after an epoch was closed, once: its buffer went back to an older copy and then forward")
    func beyondTheEnd() async throws {
        try await self.store.apply(self.batch(1, documents: self.documents(1)))
        try await self.store.close(self.epoch)
        for _ in 1...2 {
            for number in 1...3 { try await self.store.apply(self.batch(Int64(number), documents: self.documents(1))) }
        }
        #expect(try await self.store.total() == 6)
    }

    @Test("keeps the counts of every hour")
    func hourly() async throws {
        for (number, hour) in [(1, 10), (2, 11), (3, 11)] as [(Int64, Int64)] {
            try await self.store.apply(self.batch(number, hour: hour, documents: self.documents(1, each: number)))
        }
        let hours = try await self.database.pool.read { db in
            try Row.fetchAll(
                db, sql: "SELECT hour, count FROM store_hourly WHERE event = 'view' ORDER BY hour"
            ).map { [$0[0], $0[1]] as [Int64] }
        }
        #expect(hours == [[10, 1], [11, 5]])
    }

    @Test("refuses a sum beyond 64 bits, and keeps what it had")
    func overflow() async throws {
        try await self.store.apply(
            self.batch(
                1,
                documents: [
                    DocumentCounts(
                        client: "acme", test: "cta", counts: [.init(variation: "A", event: .view, count: .max)])
                ]))
        await #expect(throws: StoreError.self) {
            try await self.store.apply(
                self.batch(
                    2,
                    documents: [
                        DocumentCounts(
                            client: "acme", test: "cta", counts: [.init(variation: "A", event: .view, count: 1)])
                    ]))
        }
        #expect(try await self.store.total() == .max)
    }

    @Test("records a batch without documents as finished")
    func empty() async throws {
        try await self.store.apply(self.batch(1, documents: []))
        #expect(try await self.store.ledger().map(\.lastNumber) == [1])
    }
}
