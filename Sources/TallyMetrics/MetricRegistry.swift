public import CoreMetrics
import Synchronization

/// Keeps all metrics of the process: swift-metrics' factory on one side, the text for Prometheus on the other.
///
/// What measures makes its `Counter`, `Meter` or histogram once, and keeps it; writing to it takes no lock. Asked again
/// for the same name and labels, the registry gives the same series.
///
/// Not swift-prometheus, which would stand here by the same protocol, for two reasons. Its histogram takes one value a
/// call, under a lock: 53 ns for every request with the buckets of `/track`, where 64 requests of one tick cost 170 ns
/// together here, all that is measured of them included. And its factory gives no HELP, which `promtool check metrics`
/// asks for.
public final class MetricRegistry: MetricsFactory {
    private struct Family {
        let kind: Metric.Kind
        let help: String
        /// By their labels.
        var series: [String: any Series] = [:]
    }

    private struct State {
        var families: [String: Family] = [:]
        var refreshes: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// Of a metric that is a histogram, without labels.
    public func histogram(_ metric: Metric) -> Histogram {
        let kind = metric.details.kind
        return self.series(metric.name, [], kind) { Histogram(kind) }
    }

    /// Has something look at the world each time before the metrics are written: for what costs nothing to look at, and
    /// nobody needs to be told of meanwhile. It must not wait.
    public func beforeWriting(_ refresh: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.refreshes.append(refresh) }
    }

    /// All of it, in the order of `Metric`, and what libraries have registered after it.
    public func exposition() -> String {
        for refresh in self.state.withLock(\.refreshes) { refresh() }
        let order = Dictionary(uniqueKeysWithValues: zip(Metric.allCases.map(\.name), 0...))
        let families = self.state.withLock(\.families).sorted {
            (order[$0.key] ?? .max, $0.key) < (order[$1.key] ?? .max, $1.key)
        }
        var text = ""
        for (name, family) in families {
            text += Exposition.head(name, family.kind, help: family.help)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name, labels, to: &text)
            }
        }
        return text
    }

    // MARK: swift-metrics

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.series(label, dimensions, .counter) { Total() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.series(label, dimensions, .gauge) { Level() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return self.series(label, dimensions, .gauge) { Level() } }
        let kind = Metric.trackBatchCounters.details.kind
        return self.series(label, dimensions, kind) { Histogram(kind) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let kind = Metric.trackDuration.details.kind
        return self.series(label, dimensions, kind) { Histogram(kind) }
    }

    // Series stay until the process ends, as Prometheus expects it.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// Where a name and labels are taken for something else, the caller gets a series that is shown nowhere: a library's
    /// choice of names must not end the service.
    private func series<Kept: Series>(
        _ label: String, _ dimensions: [(String, String)], _ kind: Metric.Kind, make: () -> Kept
    ) -> Kept {
        let metric = Metric(rawValue: label)?.details
        let name = Exposition.name(label)
        let labels = Exposition.labels(dimensions)
        return self.state.withLock { state in
            var family =
                state.families[name] ?? Family(kind: metric?.kind ?? kind, help: metric?.help ?? "Of a library.")
            if let known = family.series.values.first, !(known is Kept) { return make() }
            if let known = family.series[labels] as? Kept { return known }
            let series = make()
            family.series[labels] = series
            state.families[name] = family
            return series
        }
    }
}

extension Counter {
    /// A counter of tally's own.
    public convenience init(
        _ metric: Metric, _ labels: KeyValuePairs<String, String> = [:], in registry: MetricRegistry
    ) {
        self.init(label: metric.name, dimensions: labels.map { ($0.key, $0.value) }, factory: registry)
    }
}

extension Meter {
    /// A number of tally's own that is set, be it a gauge or a counter that somebody else keeps.
    public convenience init(
        _ metric: Metric, _ labels: KeyValuePairs<String, String> = [:], in registry: MetricRegistry
    ) {
        self.init(label: metric.name, dimensions: labels.map { ($0.key, $0.value) }, factory: registry)
    }
}
