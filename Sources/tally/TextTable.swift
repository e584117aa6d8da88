import TallyCore

/// Columns of text, numbers to the right.
enum TextTable {
    static func render(header: [String], rows: [[String]], numeric: Set<Int> = []) -> String {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return numeric.contains(column) ? space + cell : cell + space
            }
            var text = padded.joined(separator: "  ")
            while text.hasSuffix(" ") { text.removeLast() }
            return text
        }
        return ([line(header), line(widths.map { String(repeating: "-", count: $0) })] + rows.map(line))
            .joined(separator: "\n")
    }
}

/// A client's numbers for a person.
enum MetricsTable {
    static func render(_ metrics: ClientMetrics) -> String {
        var rows: [[String]] = []
        for test in metrics.tests {
            let groups = [(Name.view, test.variations)] + test.events.map { ($0.name, $0.variations) }
            for (event, variations) in groups {
                let sum = variations.reduce(0) { $0 + $1.count }
                for variation in variations {
                    let share = sum == 0 ? 0 : Double(variation.count) / Double(sum)
                    rows.append([
                        test.test.string, event.string, variation.name.string, String(variation.count),
                        Self.percent(share), String(repeating: "█", count: Int((share * 20).rounded())),
                    ])
                }
            }
        }
        return "\(metrics.client), as of \(Timestamp.iso8601(metrics.flushedAt))\n\n"
            + TextTable.render(
                header: ["test", "event", "variation", "count", "share", ""], rows: rows, numeric: [3, 4])
    }

    private static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }
}

/// What documents refuse, for a person.
enum DeadLetterTable {
    static func render(_ queues: [DeadLetterQueue]) -> String {
        TextTable.render(
            header: ["collection", "test", "day", "batches", "counts", "since", "reason"],
            rows: queues.map { queue in
                [
                    queue.collection, queue.test.string,
                    queue.day.map { String(Timestamp.iso8601($0 * 86_400).prefix(10)) } ?? "",
                    String(queue.batches), String(queue.total), Timestamp.iso8601(queue.since), queue.reason,
                ]
            }, numeric: [3, 4])
    }
}
