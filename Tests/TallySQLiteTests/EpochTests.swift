import TallyCore
import TallyTestSupport
import Testing

@testable import TallySQLite

@Suite("Epochs of the embedded buffer")
struct EpochTests {
    private let directory = TemporaryDirectory()

    private func open(_ directory: TemporaryDirectory, storeIsElsewhere: Bool = true) throws -> SQLiteBuffer {
        SQLiteBuffer(
            database: try EmbeddedDatabase(directory: directory.path), kind: "spool", storeIsElsewhere: storeIsElsewhere
        )
    }

    @Test("begin with the first write after an opening: the old one is sealed and ended, numbers begin again")
    func newEpoch() async throws {
        let first = try self.open(self.directory)
        _ = try await TestLane.on(first).send(CountBatch(Hit()))
        try await first.seal()
        _ = try await TestLane.on(first).send(CountBatch(Hit(count: 2)))
        let old = try await first.ledger().epoch

        let second = try self.open(self.directory)
        #expect(try await second.ledger().epoch == old)
        _ = try await TestLane.on(second).send(CountBatch(Hit(count: 4)))
        try await second.seal()
        let new = try await second.ledger().epoch
        #expect(new != old)
        #expect(
            try await second.pending() == [
                .batch(BatchID(epoch: old, number: 1)), .batch(BatchID(epoch: old, number: 2)), .epochClosed(old),
                .batch(BatchID(epoch: new, number: 1)),
            ])
        #expect(try await second.batches().map(\.total) == [1, 2, 4])
        #expect(try await second.ledger().accepted == [old: 3, new: 4])
    }

    @Test("begin with a seal as well, once for each opening")
    func seal() async throws {
        let first = try self.open(self.directory)
        _ = try await TestLane.on(first).send(CountBatch(Hit()))
        let old = try await first.ledger().epoch
        let second = try self.open(self.directory)
        for _ in 0..<2 { try await second.seal() }
        #expect(try await second.pending() == [.batch(BatchID(epoch: old, number: 1)), .epochClosed(old)])
    }

    @Test("leave no trace where nothing was counted, but are replaced all the same")
    func untouched() async throws {
        let first = try self.open(self.directory)
        let before = try await first.ledger().epoch
        try await first.seal()
        #expect(try await first.pending().isEmpty)
        #expect(try await first.ledger().epoch != before)
    }

    @Test("stay the same where the store is in the same file")
    func kept() async throws {
        let first = try self.open(self.directory, storeIsElsewhere: false)
        _ = try await TestLane.on(first).send(CountBatch(Hit()))
        let second = try self.open(self.directory, storeIsElsewhere: false)
        _ = try await TestLane.on(second).send(CountBatch(Hit()))
        try await second.seal()
        #expect(try await second.batches().map(\.total) == [2])
        #expect(try await second.ledger().epoch == first.ledger().epoch)
    }

    @Test("end as well where the store is in the same file and was elsewhere before, once")
    func storeBack() async throws {
        let elsewhere = TemporaryDirectory()
        let store = SQLiteStore(database: try EmbeddedDatabase(directory: elsewhere.path), logger: .silent)
        let first = try self.open(self.directory)
        _ = try await TestLane.on(first).send(CountBatch(Hit(count: 3)))
        try await first.flush(to: store)
        let old = try await first.ledger().epoch

        let second = try self.open(self.directory, storeIsElsewhere: false)
        _ = try await TestLane.on(second).send(CountBatch(Hit(count: 4)))
        let ledger = try await second.ledger()
        #expect(ledger.epoch != old && ledger.accepted == [old: 3, ledger.epoch: 4])
        #expect(ledger.elsewhere == [old: .init(lastNumber: 1, total: 3)])
        let third = try self.open(self.directory, storeIsElsewhere: false)
        try await third.seal()
        #expect(try await third.ledger().epoch == ledger.epoch)
    }

    @Test("are not begun by a transaction that failed")
    func failed() async throws {
        let first = try self.open(self.directory)
        _ = try await TestLane.on(first).send(CountBatch(Hit()))
        let old = try await first.ledger().epoch
        let database = try EmbeddedDatabase(directory: self.directory.path, busyTimeout: .milliseconds(1))
        let second = SQLiteBuffer(database: database, kind: "spool", storeIsElsewhere: true)
        let other = try OtherProcess(database.path)
        try other.lock()
        await #expect(throws: BufferError.self) { try await second.seal() }
        try other.unlock()
        try await second.seal()
        #expect(try await second.pending().last == .epochClosed(old))
    }

    @Test(
        "tell an old copy's counts from new ones: what was flushed or kept stays, nothing is doubled", arguments: 0..<12
    )
    func restored(seed: UInt64) async throws {
        var random = SeededGenerator(state: seed)
        let storeDirectory = TemporaryDirectory()
        let store = SQLiteStore(
            database: try EmbeddedDatabase(directory: storeDirectory.path), logger: .silent, clock: { 0 },
            chunk: .init(documents: 3, counters: 1_000))

        // Every count has a counter of its own, so that each must end as 1.
        var counted = 0
        var stored: Set<Int> = []
        var current = (directory: self.directory, holds: Set<Int>())
        var copy: (directory: TemporaryDirectory, holds: Set<Int>)?
        var buffer = try self.open(current.directory)
        var lane = try await TestLane.on(buffer)
        for _ in 0..<60 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let new = counted..<counted + Int.random(in: 1...8, using: &random)
                counted = new.upperBound
                let hits = new.map { [Hit(test: Name("t\($0 * 7919 % 1_000)"))] }
                #expect(try await lane.send(CountBatch(units: hits)).isAllCounted)
                current.holds.formUnion(new)
            case 4:
                try await buffer.seal()
            case 5:
                try await buffer.flush(to: store)
                stored.formUnion(current.holds)
                current.holds = []
            case 6:
                // A flush that stops in the middle of a batch, or before it acknowledges.
                try await buffer.seal()
                if case .batch(let id) = try await buffer.pending().first, let batch = try await buffer.read(id) {
                    for _ in 0..<Int.random(in: 1...3, using: &random) { _ = try await store.applyChunk(of: batch) }
                }
            case 7:
                buffer = try self.open(current.directory)
                lane = try await TestLane.on(buffer)
            case 8:
                copy = (try TemporaryDirectory.copy(of: current.directory), current.holds)
            default:
                guard let old = copy else { continue }
                // The copy itself stays, and may be put back more than once.
                current = (try TemporaryDirectory.copy(of: old.directory), old.holds)
                buffer = try self.open(current.directory)
                lane = try await TestLane.on(buffer)
            }
        }
        try await buffer.flush(to: store)
        stored.formUnion(current.holds)

        let counters = try await store.counters()
        #expect(counters.values.allSatisfy { $0 == 1 })
        for index in stored {
            let field = CounterField.pack(
                client: "acme", test: Name("t\(index * 7919 % 1_000)"), variation: "A", event: .view)
            #expect(counters[field] == 1)
        }
    }
}
