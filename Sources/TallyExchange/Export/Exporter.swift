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

    /// How often the hours are read until they hold what the totals say, and the pause between two readings. A flush
    /// that is under way writes totals first, and their hours right after.
    private static let maximumReadings = 10
    private let pause: Duration

    private let store: any CounterStore
    private let form: Form

    public init(store: any CounterStore, form: Form) { self.init(store: store, form: form, pause: .milliseconds(500)) }

    /// - Parameter pause: shorter in tests alone.
    init(store: any CounterStore, form: Form, pause: Duration) {
        self.store = store
        self.form = form
        self.pause = pause
    }

    /// - Parameters:
    ///   - write: takes the file's bytes, in order.
    ///   - progress: called now and then.
    /// - Returns: nil for a client that nothing was ever flushed for; nothing is then written.
    /// - Throws: `StoreError`; also where the hours hold something else than the totals. They are read once before
    ///   anything is written, so that this is found then, unless they change by hand in between.
    public func run(
        _ client: Name, write: ([UInt8]) throws -> Void, progress: (Summary) -> Void = { _ in }
    ) async throws -> Summary? {
        guard let before = try await self.store.metrics(client: client, test: nil) else { return nil }
        try await self.waitForHours(of: client, toHold: before)
        var summary = Summary()
        var sums: [[Name]: Int64] = [:]
        if self.form == .csv {
            try write(Array((RecordField.allCases.map(\.rawValue).joined(separator: ",") + "\r\n").utf8))
        }
        try await self.readHours(of: client) { hours in
            var text = ""
            for hour in hours {
                let moment = Timestamp.iso8601(hour.hour.secondsSince1970)
                for count in hour.counts {
                    text += self.line(client, hour.test, count, moment)
                    summary.records += 1
                    summary.total += count.count
                }
            }
            Self.add(hours, to: &sums)
            try write(Array(text.utf8))
            progress(summary)
        }
        let after = try await self.store.metrics(client: client, test: nil) ?? before
        if let difference = Self.difference(sums, before: before, after: after) {
            throw StoreError(.malformed, "what was written is not complete: \(difference)")
        }
        return summary
    }

    /// Waits for a flush that has written totals and not yet their hours.
    private func waitForHours(of client: Name, toHold before: ClientMetrics) async throws {
        for reading in 1... {
            var sums: [[Name]: Int64] = [:]
            try await self.readHours(of: client) { Self.add($0, to: &sums) }
            let after = try await self.store.metrics(client: client, test: nil) ?? before
            guard let difference = Self.difference(sums, before: before, after: after) else { return }
            guard reading < Self.maximumReadings else {
                throw StoreError(.malformed, "nothing was written: \(difference)")
            }
            try await Task.sleep(for: self.pause)
        }
    }

    private func readHours(of client: Name, _ body: ([HourCounts]) throws -> Void) async throws {
        var last: HourCounts?
        while true {
            let hours = try await self.store.hours(client: client, after: last)
            guard !hours.isEmpty else { return }
            try body(hours)
            last = hours.last
        }
    }

    private static func add(_ hours: [HourCounts], to sums: inout [[Name]: Int64]) {
        for hour in hours {
            for count in hour.counts { sums[[hour.test, count.event, count.variation], default: 0] += count.count }
        }
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

    /// Totals only grow, so what the hours hold lies between what the totals were before and after. What does not, in
    /// words.
    private static func difference(_ sums: [[Name]: Int64], before: ClientMetrics, after: ClientMetrics) -> String? {
        let least = self.sums(before)
        let most = self.sums(after)
        let wrong = Set(least.keys).union(sums.keys).filter {
            sums[$0, default: 0] < least[$0, default: 0] || sums[$0, default: 0] > most[$0, default: 0]
        }
        guard let first = wrong.min(by: { $0.lexicographicallyPrecedes($1) }) else { return nil }
        return "the hours of test \(first[0]), event \(first[1]), variation \(first[2]) "
            + "hold \(sums[first, default: 0]) counts and its total says \(most[first, default: 0])"
            + (wrong.count > 1 ? ", and \(wrong.count - 1) more counters differ" : "")
            + ". A flush has stopped half-way, which the next one completes (tally flush); or documents were refused: "
            + "mend them and run tally flush --dead-letters. Then export again"
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
