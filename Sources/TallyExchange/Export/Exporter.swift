public import TallyCore

/// Writes all counts of a client, hour by hour, in a form that `Importer` takes.
public struct Exporter: Sendable {
    public enum Form: Sendable {
        case csv
        case ndjson
    }

    /// What was written.
    public struct Summary: Sendable, Equatable {
        public var records = 0
        public var total: Int64 = 0
    }

    private let store: any CounterStore
    private let form: Form

    public init(store: any CounterStore, form: Form) {
        self.store = store
        self.form = form
    }

    /// - Parameters:
    ///   - write: takes the file's bytes, in order.
    ///   - progress: called now and then.
    /// - Returns: nil for a client that nothing was ever flushed for; nothing is then written.
    /// - Throws: `StoreError`; also where the hours hold something else than the totals, of which what was written is
    ///   then no complete copy.
    public func run(
        _ client: Name, write: ([UInt8]) throws -> Void, progress: (Summary) -> Void = { _ in }
    ) async throws -> Summary? {
        guard let before = try await self.store.metrics(client: client, test: nil) else { return nil }
        var summary = Summary()
        var sums: [[Name]: Int64] = [:]
        var last: HourCounts?
        if self.form == .csv {
            try write(Array((RecordField.allCases.map(\.rawValue).joined(separator: ",") + "\r\n").utf8))
        }
        while true {
            let hours = try await self.store.hours(client: client, after: last)
            guard !hours.isEmpty else { break }
            var text = ""
            for hour in hours {
                let moment = Timestamp.iso8601(hour.hour.secondsSince1970)
                for count in hour.counts {
                    text += self.line(client, hour.test, count, moment)
                    summary.records += 1
                    summary.total += count.count
                    sums[[hour.test, count.event, count.variation], default: 0] += count.count
                }
            }
            try write(Array(text.utf8))
            progress(summary)
            last = hours.last
        }
        let after = try await self.store.metrics(client: client, test: nil) ?? before
        try Self.check(sums, before: before, after: after)
        return summary
    }

    private func line(_ client: Name, _ test: Name, _ count: DocumentCounts.Count, _ moment: String) -> String {
        switch self.form {
        case .csv:
            let cells = [client, test, count.variation, count.event].map(CSVText.cell)
            return "\(cells.joined(separator: ",")),\(moment),\(count.count)\r\n"
        case .ndjson:
            let names = [client, test, count.variation, count.event].map { JSONText.string($0.string) }
            return "{\"clientName\":\(names[0]),\"testID\":\(names[1]),\"variation\":\(names[2]),\"event\":\(names[3]),"
                + "\"hour\":\"\(moment)\",\"count\":\(count.count)}\n"
        }
    }

    /// Totals only grow, so what the hours hold lies between what the totals were before and after.
    private static func check(_ sums: [[Name]: Int64], before: ClientMetrics, after: ClientMetrics) throws {
        let least = self.sums(before)
        let most = self.sums(after)
        let wrong = Set(least.keys).union(sums.keys).filter {
            sums[$0, default: 0] < least[$0, default: 0] || sums[$0, default: 0] > most[$0, default: 0]
        }
        guard let first = wrong.min(by: { $0.lexicographicallyPrecedes($1) }) else { return }
        throw StoreError(
            .malformed,
            "what was written is not complete: the hours of test \(first[0]), event \(first[1]), variation \(first[2]) "
                + "hold \(sums[first, default: 0]) counts and its total says \(most[first, default: 0])"
                + (wrong.count > 1 ? ", and \(wrong.count - 1) more counters differ" : "")
                + ". If documents were refused, run tally flush --dead-letters first")
    }

    private static func sums(_ metrics: ClientMetrics) -> [[Name]: Int64] {
        var sums: [[Name]: Int64] = [:]
        for test in metrics.tests {
            for (event, variations) in [(Name.view, test.variations)] + test.events.map({ ($0.name, $0.variations) }) {
                for variation in variations { sums[[test.test, event, variation.name]] = variation.count }
            }
        }
        return sums
    }
}
