import TallyCore
import TallyServer

/// A client's numbers for a person: a line for each test, event and variation, with its share of the event and, where
/// there are other events than `view`, how many of the variation's views led to one.
///
/// On a terminal a test's name and an event's stand once, and shares are bars too; elsewhere every line names its test
/// and its event, so that a line can be found with grep.
enum MetricsTable {
    static func render(_ metrics: ClientMetrics, on terminal: Terminal = .none) -> String {
        let groups = metrics.tests.flatMap(Group.all)
        let title =
            terminal.styled(metrics.client.string, .bold) + ", as of \(Timestamp.iso8601(metrics.flushedAt)): "
            + Quantity.of(metrics.tests.count, "test") + ", "
            + Quantity.of(metrics.tests.reduce(Int128(0)) { $0 + Int128($1.total) }, "view")
        guard !groups.isEmpty else { return title }

        let showsRates = groups.contains { $0.event != .view }
        var table = TextTable(
            header: ["test", "event", "variation", "count", "share"] + (showsRates ? ["of views"] : []), rows: [],
            numeric: [3, 4, 5], flexible: [0, 1, 2])
        var previous: Name?
        for group in groups {
            let isNewTest = group.test != previous
            for (index, variation) in group.variations.enumerated() {
                let repeats = terminal.width == nil
                var cells = [
                    repeats || (index == 0 && isNewTest) ? group.test.string : "",
                    repeats || index == 0 ? group.event.string : "", variation.name.string,
                    Quantity.grouped(variation.count), Percent.text(group.share(variation)),
                ]
                if showsRates { cells.append(group.rate(variation).map(Percent.text) ?? "") }
                table.rows.append(
                    .init(
                        cells: cells, share: group.share(variation),
                        isApart: index == 0 && isNewTest && previous != nil))
            }
            previous = group.test
        }
        return title + "\n\n" + table.render(on: terminal)
    }

    /// One event of one test.
    private struct Group {
        let test: Name
        let event: Name
        let variations: [TestMetrics.Variation]
        let sum: Double
        /// The views of each variation, where this is another event.
        let views: [Name: Int64]

        static func all(of test: TestMetrics) -> [Group] {
            let views = Dictionary(uniqueKeysWithValues: test.variations.map { ($0.name, $0.count) })
            let events = [(Name.view, test.variations)] + test.events.map { ($0.name, $0.variations) }
            return events.filter { !$0.1.isEmpty }.map { event, variations in
                Group(
                    test: test.test, event: event, variations: variations,
                    sum: variations.reduce(0) { $0 + Double($1.count) }, views: event == .view ? [:] : views)
            }
        }

        func share(_ variation: TestMetrics.Variation) -> Double {
            self.sum == 0 ? 0 : Double(variation.count) / self.sum
        }

        /// Nil where there is nothing to relate it to.
        func rate(_ variation: TestMetrics.Variation) -> Double? {
            self.views[variation.name].flatMap { $0 == 0 ? nil : Double(variation.count) / Double($0) }
        }
    }
}
