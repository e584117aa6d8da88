// Foundation to read the file.
import Foundation
import TallyMetrics
import TallyTestSupport
import Testing

@Suite struct MonitoringDocumentTests {
    private static let file = MadeDocument.file("docs/monitoring.md")

    private static var table: String {
        let rows = Metric.allCases.map { metric in
            let labels = metric.details.labels.map { "`\($0)`" }.joined(separator: ", ")
            return "| `\(metric.name)` | \(Self.type(metric)) | \(labels) | \(metric.details.help.dropLast()) |"
        }
        return (["| Metric | Type | Labels | |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n") + "\n"
    }

    private static func type(_ metric: Metric) -> String {
        switch metric.details.kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .durations, .sizes: "histogram"
        }
    }

    @Test("docs/monitoring.md has the table of metrics as it is in the code")
    func table() throws {
        let text = try String(contentsOf: Self.file, encoding: .utf8)
        let start = try #require(text.range(of: "MonitoringDocumentTests -->\n")).upperBound
        let end = try #require(text.range(of: "<!-- end -->")).lowerBound
        if MadeDocument.isRewritten {
            try (text[..<start] + Self.table + text[end...]).write(to: Self.file, atomically: true, encoding: .utf8)
        } else {
            #expect(text[start..<end] == Self.table, "write it anew with TALLY_UPDATE_EXAMPLES=1")
        }
    }
}
