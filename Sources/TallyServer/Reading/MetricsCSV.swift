import TallyCore

/// A client's counts as CSV: one row for each test, event and variation.
///
/// - Source: RFC 4180, https://www.rfc-editor.org/rfc/rfc4180
enum MetricsCSV {
    static func render(_ metrics: ClientMetrics) -> [UInt8] {
        var text = "testID,variation,event,count\r\n"
        for test in metrics.tests {
            for variation in test.variations { text += self.row(test, variation, .view) }
            for event in test.events {
                for variation in event.variations { text += self.row(test, variation, event.name) }
            }
        }
        return Array(text.utf8)
    }

    private static func row(_ test: TestMetrics, _ variation: TestMetrics.Variation, _ event: Name) -> String {
        "\(CSVText.cell(test.test)),\(CSVText.cell(variation.name)),\(CSVText.cell(event)),\(variation.count)\r\n"
    }
}
