import GRDB
import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallySQLite

@Suite("Many at once on the embedded file")
struct ConcurrencyTests {
    private let directory = TemporaryDirectory()

    /// Sends 60 batches of up to 30 hits; returns how much was counted.
    private static func traffic(_ lane: TestLane, seed: UInt64, onAnswer: @Sendable (Int64) -> Void = { _ in })
        async throws
        -> Int64
    {
        var random = SeededGenerator(state: seed)
        var sum: Int64 = 0
        for _ in 0..<60 {
            let hits = (0..<Int.random(in: 1...30, using: &random)).map { _ in
                [
                    Hit(
                        test: Name("t\(Int.random(in: 0..<5, using: &random))"),
                        variation: Name("\(Int.random(in: 0..<4, using: &random))"),
                        count: Int64.random(in: 1...3, using: &random))
                ]
            }
            #expect(try await lane.send(CountBatch(units: hits)).isAllCounted)
            let batch = hits.reduce(0) { $0 + $1[0].count }
            sum += batch
            onAnswer(batch)
        }
        return sum
    }

    @Test("eight lanes and a flush without end: every count arrives once")
    func lanesAndFlush() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 8)
        let database = try EmbeddedDatabase(directory: self.directory.path)
        let clock = TestClock()
        let buffer = SQLiteBuffer(
            database: database, kind: "embedded", storeIsElsewhere: false, clock: clock.read, maximumFieldsPerBatch: 15)
        let store = SQLiteStore(
            database: database, logger: .silent, clock: clock.read, chunk: .init(documents: 2, counters: 100))
        let isDone = Shared(false)
        let counted = try await withThrowingTaskGroup(of: Int64.self) { tasks in
            tasks.addTask {
                while !isDone.value {
                    clock.now += 1_200
                    try await buffer.flush(to: store)
                }
                return 0
            }
            try await withThrowingTaskGroup(of: Int64.self) { lanes in
                for (index, eventLoop) in group.makeIterator().enumerated() {
                    lanes.addTask {
                        try await Self.traffic(TestLane.on(eventLoop, of: buffer), seed: UInt64(index))
                    }
                }
                for try await sum in lanes { tasks.addTask { sum } }
            }
            isDone.value = true
            return try await tasks.reduce(0, +)
        }
        try await buffer.flush(to: store)
        #expect(try await store.total() == counted)
        let ledger = try await buffer.ledger()
        #expect(ledger.accepted == [ledger.epoch: counted])
        #expect(try await store.ledger().map(\.total) == [counted])
        #expect(try await database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM counts") } == 0)
        try await group.shutdownGracefully()
    }

    @Test("two processes that count into one file and flush it at the same time", arguments: [false, true])
    func twoProcesses(storeIsElsewhere: Bool) async throws {
        let storeDirectory = TemporaryDirectory()
        let path = self.directory.path
        let storePath = storeIsElsewhere ? storeDirectory.path : path
        let counted = try await withThrowingTaskGroup(of: Int64.self) { tasks in
            for process in 0..<2 {
                tasks.addTask {
                    let buffer = SQLiteBuffer(
                        database: try EmbeddedDatabase(directory: path), kind: "embedded",
                        storeIsElsewhere: storeIsElsewhere)
                    let store = SQLiteStore(
                        database: try EmbeddedDatabase(directory: storePath), logger: .silent, clock: { 0 },
                        chunk: .init(documents: 1, counters: 100))
                    async let sum = Self.traffic(TestLane.on(buffer), seed: UInt64(process))
                    for _ in 0..<15 { try await buffer.flush(to: store) }
                    return try await sum
                }
            }
            return try await tasks.reduce(0, +)
        }
        let buffer = SQLiteBuffer(
            database: try EmbeddedDatabase(directory: path), kind: "embedded", storeIsElsewhere: storeIsElsewhere)
        let store = SQLiteStore(database: try EmbeddedDatabase(directory: storePath), logger: .silent)
        try await buffer.flush(to: store)
        #expect(try await store.total() == counted)
    }

    @Test("what was answered before the power failed is there afterwards, whole batches only")
    func powerFailure() async throws {
        let database = try EmbeddedDatabase(directory: self.directory.path)
        let buffer = SQLiteBuffer(database: database, kind: "embedded", storeIsElsewhere: false)
        let answered = Shared<Int64>(0)
        let directory = self.directory
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for seed in 0..<3 as Range<UInt64> {
                tasks.addTask {
                    _ = try await Self.traffic(TestLane.on(buffer), seed: seed) { sum in
                        answered.change { $0 += sum }
                    }
                }
            }
            for round in 0..<10 {
                // Between two transactions, as they lie on the disk, and with the beginning of a third one behind.
                let (copy, before) = try await database.pool.writeWithoutTransaction { _ in
                    let before = answered.value
                    let torn = [UInt8](repeating: UInt8(round), count: 1_000 * round)
                    return (try TemporaryDirectory.copy(of: directory, trailingBytes: torn), before)
                }
                let recovered = try EmbeddedDatabase(directory: copy.path)
                let ledger = try await SQLiteBuffer(
                    database: recovered, kind: "embedded", storeIsElsewhere: false
                ).ledger()
                let (rows, check) = try await recovered.pool.read { db in
                    try (
                        Int64.fetchOne(db, sql: "SELECT coalesce(sum(count), 0) FROM counts"),
                        String.fetchOne(db, sql: "PRAGMA integrity_check")
                    )
                }
                #expect(check == "ok")
                #expect(ledger.live >= before)
                #expect(ledger.live == rows)
            }
            try await tasks.waitForAll()
        }
        let reopened = SQLiteBuffer(
            database: try EmbeddedDatabase(directory: self.directory.path), kind: "embedded", storeIsElsewhere: false)
        #expect(try await reopened.ledger().live == answered.value)
    }
}
