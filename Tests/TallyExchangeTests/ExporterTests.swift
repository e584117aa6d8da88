import Synchronization
import TallyCore
import TallySQLite
import TallyTestSupport
import Testing

@testable import TallyExchange

/// A store into which a flush has written the totals of a batch, and for so many readings not yet its hours.
private final class AheadInTotals: CounterStore {
    private let store: SQLiteStore
    private let readings: Mutex<Int>

    init(_ store: SQLiteStore, for readings: Int) {
        self.store = store
        self.readings = Mutex(readings)
    }

    var kind: String { self.store.kind }

    func metrics(client: Name, test: Name?) async throws -> ClientMetrics? {
        try await self.store.metrics(client: client, test: test)
    }

    func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts] {
        let isLacking = self.readings.withLock { readings in
            if last == nil { readings -= 1 }
            return readings >= 0
        }
        let hours = try await self.store.hours(client: client, after: last)
        return isLacking ? hours.filter { $0.hour.hoursSince1970 == 500_001 } : hours
    }

    func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws {
        try await self.store.apply(batch, pace: pace, oldest: oldest)
    }
    func close(_ epoch: Epoch) async throws { try await self.store.close(epoch) }
    func recordFlush(at secondsSince1970: Int64) async throws {
        try await self.store.recordFlush(at: secondsSince1970)
    }
    func clients() async throws -> [ClientSummary] { try await self.store.clients() }
    func ping() async throws { try await self.store.ping() }
    func ledger() async throws -> [StoreLedgerEntry] { try await self.store.ledger() }
}

@Suite("Exports beside a flush")
struct ExporterTests {
    private let folder: TemporaryDirectory
    private let database: EmbeddedDatabase
    private let store: SQLiteStore

    init() async throws {
        self.folder = try TemporaryDirectory("export")
        self.database = try EmbeddedDatabase(directory: self.folder.url.appendingPathComponent("data").path)
        self.store = SQLiteStore(database: self.database, logger: .silent)
        for number: Int64 in 1...2 {
            try await self.store.apply(
                SealedBatch(
                    id: BatchID(epoch: Epoch(1), number: number), hour: Hour(hoursSince1970: 500_000 + number),
                    sealedAt: 0, buffer: "embedded",
                    documents: [
                        DocumentCounts(
                            client: "acme", test: "cta",
                            counts: [.init(variation: "B", event: .view, count: number * 10)])
                    ]))
        }
    }

    /// What was written, and how it ended.
    private func export(aheadFor readings: Int) async -> (lines: Int, result: Result<Exporter.Summary?, any Error>) {
        let exporter = Exporter(
            store: AheadInTotals(self.store, for: readings), form: .ndjson, pause: .milliseconds(1))
        var written: [UInt8] = []
        do {
            let summary = try await exporter.run("acme", write: { written += $0 })
            return (written.count { $0 == UInt8(ascii: "\n") }, .success(summary))
        } catch {
            return (written.count { $0 == UInt8(ascii: "\n") }, .failure(error))
        }
    }

    @Test("hours that come a moment after their totals are waited for", arguments: [0, 1, 3, 9])
    func underWay(_ readings: Int) async throws {
        let (lines, result) = await self.export(aheadFor: readings)
        #expect(try result.get() == Exporter.Summary(records: 2, total: 30))
        #expect(lines == 2)
        try self.database.close()
    }

    @Test("hours that do not come are said before anything is written")
    func stopped() async throws {
        let (lines, result) = await self.export(aheadFor: .max)
        let failure = #expect(throws: StoreError.self) { try result.get() }
        #expect(lines == 0)
        #expect(failure?.code == .malformed)
        for words in ["nothing was written", "hold 10 counts and its total says 30", "tally flush", "--dead-letters"] {
            #expect(failure?.description.contains(words) == true, "\(failure?.description ?? "")")
        }
        try self.database.close()
    }
}
