import Foundation
import TallyCore
import TallySQLite
import TallyTestSupport
import Testing

@testable import TallyExchange

/// Files that are longer than what is taken at once, which here is little.
@Suite("Imports in stretches")
struct ImporterTests {
    private let folder: TemporaryDirectory
    private let path: String
    private let database: EmbeddedDatabase
    private let store: SQLiteStore
    private let importer: Importer

    init() throws {
        self.folder = try TemporaryDirectory("import")
        self.path = self.folder.url.appendingPathComponent("file.csv").path
        self.database = try EmbeddedDatabase(directory: self.folder.url.appendingPathComponent("data").path)
        self.store = SQLiteStore(database: self.database, logger: .silent)
        self.importer = Importer(store: self.store, now: { 1_795_341_600 })
    }

    private func write(_ counts: [Int]) throws {
        let lines = counts.enumerated().map { index, count in
            "acme,t\(index % 7),B,,2026-11-22T0\(index % 5):00:00Z,\(count)"
        }
        try Data((["clientName,testID,variation,event,hour,count"] + lines).joined(separator: "\n").utf8)
            .write(to: URL(fileURLWithPath: self.path))
    }

    private func survey() throws -> RecordSurvey {
        try RecordSurvey.read(self.path, client: nil, label: "", stretch: 50)
    }

    private func run(_ survey: RecordSurvey) async throws {
        let standing = self.importer.standing(of: survey.epoch, kind: "import", in: try await self.store.ledger())
        try await self.importer.run(self.path, client: nil, survey, standing, kind: "import")
    }

    private var total: Int64 {
        get async throws {
            try await self.store.metrics(client: "acme", test: nil)?.tests.reduce(0) { $0 + $1.total } ?? 0
        }
    }

    @Test("all stretches are counted, once", arguments: [49, 50, 51, 230])
    func stretches(_ records: Int) async throws {
        try self.write(Array(1...records))
        let survey = try self.survey()
        #expect(survey.digests.count == (records + 49) / 50)
        for _ in 1...2 {
            try await self.run(survey)
            #expect(try await self.total == Int64(records * (records + 1) / 2))
        }
        #expect(try await self.store.ledger().map(\.isClosed) == [true])
        try self.database.close()
    }

    @Test("a file that is changed meanwhile is found before its stretch is added; put back, it goes on")
    func changed() async throws {
        let counts = Array(1...230)
        try self.write(counts)
        let survey = try self.survey()
        var other = counts
        other[120] += 1
        try self.write(other)
        let error = await #expect(throws: RecordFileError.self) { try await self.run(survey) }
        #expect(error?.description.contains("was changed while it was imported") == true)
        #expect(try await self.total == Int64(counts.prefix(100).reduce(0, +)))
        try self.write(counts)
        try await self.run(survey)
        #expect(try await self.total == Int64(counts.reduce(0, +)))
        try self.database.close()
    }

    @Test("what is exported in several answers is complete and in order")
    func pages() async throws {
        // More counters than the store gives rows at once.
        let lines = (0..<7_200).map { index in
            "{\"clientName\":\"acme\",\"testID\":\"t\(index % 40)\",\"variation\":\"v\(index / 40)\",\"count\":2}"
        }
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: self.path))
        try await self.run(RecordSurvey.read(self.path, client: nil, label: ""))
        var text: [UInt8] = []
        var answers = 0
        let summary = try await Exporter(store: self.store, form: .ndjson).run(
            "acme", write: { text += $0 }, progress: { _ in answers += 1 })
        #expect(summary == Exporter.Summary(records: 7_200, total: 14_400))
        #expect(answers > 1)
        try Data(text).write(to: URL(fileURLWithPath: self.path))
        let survey = try self.survey()
        #expect(survey.records == 7_200 && survey.total == 14_400 && survey.tests == 40)
        try self.database.close()
    }
}
