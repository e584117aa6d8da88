// Foundation to read files.
import Foundation
import TallyCore
import TallyTestSupport
import Testing

@Suite struct LogsDocumentTests {
    private static var events: String {
        let rows = LoggedEvent.allCases.map { event in
            let fields = event.details.fields.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            return "| `\(event.name)` | \(event.details.level.rawValue) | \(event.details.meaning) | \(fields) |"
        }
        return (["| Event | Level | | Fields |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n") + "\n"
    }

    private static var fields: String {
        let rows = LogField.allCases.sorted { $0.rawValue < $1.rawValue }.map { "| `\($0.rawValue)` | \($0.meaning) |" }
        return (["| Field | |", "| --- | --- |"] + rows).joined(separator: "\n") + "\n"
    }

    @Test("docs/logs.md has the tables of events and fields as they are in the code")
    func tables() throws {
        let file = MadeDocument.file("docs/logs.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let parts = text.components(separatedBy: "<!-- end -->\n")
        try #require(parts.count == 3)
        var current = ""
        for (part, (marker, table)) in zip(
            parts, [("LogsDocumentTests -->\n", Self.events), ("<!-- fields -->\n", Self.fields)])
        {
            let start = try #require(part.range(of: marker)).upperBound
            current += part[..<start] + table + "<!-- end -->\n"
        }
        current += parts[2]
        if MadeDocument.isRewritten {
            try current.write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(text == current, "write it anew with TALLY_UPDATE_EXAMPLES=1")
        }
    }

    @Test("every field belongs to an event, and all names are in small letters")
    func names() {
        let used = Set(LoggedEvent.allCases.flatMap(\.details.fields))
        #expect(LogField.allCases.filter { !used.contains($0) }.isEmpty)
        for name in LoggedEvent.allCases.map(\.name) + LogField.allCases.map(\.rawValue) {
            #expect(name.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil, "\(name)")
            #expect(!["time", "level", "event", "message"].contains(name))
        }
    }

    @Test("nothing is logged without an event")
    func everyLine() throws {
        let sources = Executable.repository.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            let plain = text.matches(of: /logger\.(trace|debug|info|notice|warning|error|critical)\(/)
            #expect(plain.isEmpty, "\(file.lastPathComponent): use logger.log(.event, ...), see LoggedEvent")
        }
    }
}
