import Foundation
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyExchange

/// A file of one test's own.
private struct TextFile {
    private let folder: TemporaryDirectory
    let path: String

    init(_ text: String) throws {
        self.folder = try TemporaryDirectory("records")
        self.path = self.folder.url.appendingPathComponent("file").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path))
    }

    func survey(client: Name? = nil, label: String = "") throws -> RecordSurvey {
        try RecordSurvey.read(self.path, client: client, label: label)
    }

    func records(client: Name? = nil) throws -> [RecordLine] {
        var reader = try RecordReader(self.path, client: client)
        var lines: [RecordLine] = []
        while let line = try reader.next() { lines.append(line) }
        return lines
    }
}

@Suite("Records in files")
struct RecordTests {
    private static let header = "clientName,testID,variation,event,hour,count"
    private let nine = Hour(hoursSince1970: 498_705)  // 2026-11-22T09:00:00Z
    private func record(_ variation: Name = "B", event: Name = .view, hour: Hour?, _ count: Int64) -> RecordLine {
        .record(CountRecord(client: "acme", test: "cta", variation: variation, event: event, hour: hour, count: count))
    }

    @Test("CSV and JSON say the same; columns and keys come in any order, event and hour may be left out")
    func forms() throws {
        let csv = try TextFile(
            """
            \u{FEFF}count,clientName,testID,variation,hour,event\r
            3,acme,cta,B,2026-11-22T09:00:00Z,buy\r

            4,acme,cta,"a ""b"", c",,
            """)
        let json = try TextFile(
            """
            {"event":"buy","clientName":"acme","testID":"cta","variation":"B","hour":"2026-11-22T09:00:00Z","count":3}
            { "clientName":"acme","testID":"ct\\u0061","variation":"a \\"b\\", c","count":4 }

            """)
        let expected = [self.record(event: "buy", hour: self.nine, 3), self.record("a \"b\", c", hour: nil, 4)]
        #expect(try csv.records() == expected)
        #expect(try json.records() == expected)
        #expect(try csv.survey().epoch == json.survey().epoch)
        let survey = try csv.survey()
        #expect((survey.records, survey.total, survey.tests) == (2, 7, 1))
        #expect(survey.clients == ["acme"] && survey.hours == self.nine...self.nine)
    }

    @Test("the client may be said for all lines, also against the file")
    func client() throws {
        let file = try TextFile("testID,variation,count\ncta,B,3\n")
        #expect(
            try file.records(client: "other")
                == [.record(.init(client: "other", test: "cta", variation: "B", event: .view, hour: nil, count: 3))])
        let error = #expect(throws: RecordFileError.self) { try file.records() }
        #expect(error?.description.contains("--client") == true)
        #expect(try TextFile(Self.header + "\nacme,cta,B,,,3\n").survey(client: "other").clients == ["other"])
    }

    @Test(
        "every line at fault is named, with all that is wrong",
        arguments: [
            ("acme,cta,B,view,2026-11-22T09:00:00Z,0", "count is not a whole number"),
            ("acme,cta,B,view,2026-11-22T09:00:00Z,-1", "count is not a whole number"),
            ("acme,cta,B,view,2026-11-22T09:00:00Z,1.5", "count is not a whole number"),
            ("acme,cta,B,view,2026-11-22T09:00:00Z,9007199254740992", "count is not a whole number"),
            ("acme,cta,B,view,2026-11-22T09:00:00Z,99999999999999999999", "count is not a whole number"),
            ("acme,cta,B,view,2026-11-22T09:30:00Z,1", "hour is not the beginning of an hour"),
            ("acme,cta,B,view,2026-02-30T09:00:00Z,1", "hour is not the beginning of an hour"),
            ("acme,cta,B,view,2026-11-22 09:00,1", "hour is not the beginning of an hour"),
            ("ac.me,cta,B,view,,1", "clientName may hold only"), ("tally,cta,B,view,,1", "is reserved"),
            (",cta, B,view,,1", "clientName is missing"), ("acme,cta, B,view,,1", "variation has a space at an end"),
            ("acme,cta,B,view,1", "5 cells where the first line names 6 columns"),
            ("acme,cta,\"B,view,,1", "a quotation mark"), ("acme,cta,B\"b,view,,1", "a quotation mark"),
            ("acme", "1 cells where"),
        ])
    func csvFaults(_ line: String, _ words: String) throws {
        let good = "acme,cta,B,,,1"
        let file = try TextFile([Self.header, good, line, good, line].joined(separator: "\n"))
        let error = #expect(throws: RecordFileError.self) { try file.survey() }
        let text = try #require(error?.description)
        #expect(error?.code == .malformed)
        #expect(text.contains("line 3: ") && text.contains("line 5: ") && text.contains(words), "\(text)")
        #expect(!text.contains("line 2: "))
    }

    @Test(
        "so is every line of JSON",
        arguments: [
            (#"{"clientName":"acme","testID":"cta","variation":"B","count":"3"}"#, "count is not a whole number"),
            (#"{"clientName":"acme","testID":"cta","variation":"B","count":3e2}"#, "count is not a whole number"),
            (#"{"clientName":"acme","testID":7,"variation":"B","count":3}"#, "testID is not text"),
            (#"{"clientName":"acme","testID":"cta","variation":"B"}"#, "count is missing"),
            (#"{"clientName":"acme","testID":"cta","variation":"B","count":3,"count":3}"#, "count is given twice"),
            (#"{"clientName":"acme","testID":"cta","variation":"B","count":3,"eventID":"x"}"#, "has a key \"eventID\""),
            (#"{"clientName":"acme","testID":"cta","variation":"B","count":3} x"#, "is not JSON"),
            (#"{"clientName":"acme","testID":"cta","variation":"\ud800","count":3}"#, "variation is not text"),
            ("[]", "expected an object"),
        ])
    func jsonFaults(_ line: String, _ words: String) throws {
        let good = #"{"clientName":"acme","testID":"cta","variation":"B","count":3}"#
        let error = #expect(throws: RecordFileError.self) {
            try TextFile([good, line].joined(separator: "\n")).survey()
        }
        #expect(error?.description.contains("line 2: ") == true && error?.description.contains(words) == true)
    }

    @Test("a first line that names what is not known, or too little, is said")
    func header() throws {
        for (header, words) in [
            ("clientName,testID,variation,number", "a column \"number\""),
            ("clientName,testID,count", "no column variation"),
            ("clientName,testID,variation,count,count", "twice"), ("\"clientName", "not CSV"),
        ] {
            let error = #expect(throws: RecordFileError.self) { try TextFile(header + "\nx\n").survey() }
            #expect(error?.description.contains(words) == true, "\(header)")
        }
    }

    @Test("after twenty faults the rest is not listed")
    func manyFaults() throws {
        let file = try TextFile(([Self.header] + Array(repeating: "x", count: 100)).joined(separator: "\n"))
        let error = #expect(throws: RecordFileError.self) { try file.survey() }
        #expect(error?.description.split(separator: "\n").count == 22)
    }

    @Test("lines are found across the pieces that the file is read in; a folder, and what is too long, is refused")
    func lines() throws {
        let text = (1...15_000).map { "acme,cta,v\($0 % 90),,,\($0)" }.joined(separator: "\r\n")
        let survey = try TextFile(Self.header + "\n" + text).survey()
        #expect(survey.records == 15_000 && survey.total == 15_000 * 15_001 / 2)
        #expect(throws: RecordFileError.self) {
            try TextFile(Self.header + "\n" + String(repeating: "x", count: 70_000)).survey()
        }
        let folder = #expect(throws: RecordFileError.self) { try RecordSurvey.read("/tmp", client: nil, label: "") }
        #expect(folder?.code == .unreadable && folder?.description.contains("is no file") == true)
        #expect(throws: RecordFileError.self) { try RecordSurvey.read("/not/there", client: nil, label: "") }
        #expect(try TextFile("").survey().records == 0 && TextFile(Self.header).survey().records == 0)
    }

    @Test("another order, another label, another count is another import")
    func epochs() throws {
        let lines = ["acme,cta,A,,,1", "acme,cta,B,,,2"]
        let one = try TextFile(([Self.header] + lines).joined(separator: "\n"))
        let other = try TextFile(([Self.header] + lines.reversed()).joined(separator: "\n"))
        let epochs = try [one.survey().epoch, other.survey().epoch, one.survey(label: "again").epoch]
        #expect(Set(epochs).count == 3)
        #expect(try one.survey().epoch == epochs[0])
    }

    @Test("names of any kind survive CSV", arguments: 1...50 as ClosedRange<UInt64>)
    func names(_ seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let letters = Array("ab,\"\\ é日🎉'{}")
        let names = (0..<6).map { _ in
            Name(
                String(
                    (0..<Int.random(in: 1...8, using: &generator)).map { _ in letters.randomElement(using: &generator)!
                    }))
        }
        let line = names.map(CSVText.cell).joined(separator: ",")
        #expect(CSVLine.cells(Array(line.utf8)[...]) == names.map { Array($0.string.utf8) })
    }

    @Test("the batches of records are of one hour each, sorted and bounded, and the same whenever they are made")
    func batches() {
        var generator = SplitMix64(seed: 7)
        let records = (0..<2_000).map { _ in
            CountRecord(
                client: ["acme", "beta"].randomElement(using: &generator)!,
                test: Name("t\(Int.random(in: 0..<40, using: &generator))"),
                variation: ["A", "B"].randomElement(using: &generator)!,
                event: [.view, "buy"].randomElement(using: &generator)!,
                hour: [nil, Hour(hoursSince1970: 1), Hour(hoursSince1970: 2)].randomElement(using: &generator)!,
                count: Int64.random(in: 1...9, using: &generator))
        }
        let standard = Hour(hoursSince1970: 2)
        let batches = RecordStretch.batches(of: records, standard: standard, maximumCounters: 50)
        #expect(batches.map(\.hour) == batches.map(\.hour).sorted() && Set(batches.map(\.hour)).count == 2)
        var sums: [Hour: Int64] = [:]
        for (hour, documents) in batches {
            #expect(documents.reduce(0) { $0 + $1.counts.count } <= 50)
            for (document, next) in zip(documents, documents.dropFirst()) {
                #expect((document.client, document.test) < (next.client, next.test))
            }
            sums[hour, default: 0] += documents.reduce(0) { $0 + $1.counts.reduce(0) { $0 + $1.count } }
        }
        let expected = records.reduce(into: [Hour: Int64]()) { $0[$1.hour ?? standard, default: 0] += $1.count }
        #expect(sums == expected)
        let again = RecordStretch.batches(of: records, standard: standard, maximumCounters: 50)
        #expect(batches.map(\.documents) == again.map(\.documents))
    }
}
