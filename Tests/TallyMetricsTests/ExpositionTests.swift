import CoreMetrics
import Testing

@testable import TallyMetrics

@Suite struct ExpositionTests {
    private let registry = MetricRegistry()

    private func lines(_ prefix: String) -> [String] {
        self.registry.exposition().split(separator: "\n").map(String.init).filter { $0.hasPrefix(prefix) }
    }

    @Test("a counter, a gauge and their labels, with help and type once")
    func samples() {
        Counter(.trackRequests, ["result": "counted"], in: self.registry).increment(by: 3)
        Counter(.trackRequests, ["result": "counted"], in: self.registry).increment()
        Counter(.trackRequests, ["result": "duplicate"], in: self.registry).increment(by: 0)
        Meter(.connections, in: self.registry).set(2)
        Meter(.connections, in: self.registry).decrement(by: 0.5)
        #expect(
            self.registry.exposition() == """
                # HELP tally_track_requests_total Requests to /track that were answered, by what became of them.
                # TYPE tally_track_requests_total counter
                tally_track_requests_total{result="counted"} 4
                tally_track_requests_total{result="duplicate"} 0
                # HELP tally_connections Open connections of callers.
                # TYPE tally_connections gauge
                tally_connections 1.5

                """)
    }

    @Test("a value goes into the bucket that ends with it, and into all above")
    func buckets() {
        let histogram = self.registry.histogram(.trackDuration)
        histogram.record(250_000, times: 3)
        histogram.record(250_001, times: 1)
        histogram.record(6_000_000_000, times: 2)
        histogram.record(1, times: 0)
        let lines = self.lines("tally_track_duration_seconds")
        #expect(lines.first == #"tally_track_duration_seconds_bucket{le="0.00025"} 3"#)
        #expect(lines[1] == #"tally_track_duration_seconds_bucket{le="0.0005"} 4"#)
        #expect(
            lines.suffix(4) == [
                #"tally_track_duration_seconds_bucket{le="5"} 4"#, #"tally_track_duration_seconds_bucket{le="+Inf"} 6"#,
                "tally_track_duration_seconds_sum 12.001000001", "tally_track_duration_seconds_count 6",
            ])
    }

    @Test("what nobody has set yet is not a number")
    func unknown() {
        _ = Meter(.auditBalanced, in: self.registry)
        #expect(self.lines("tally_") == ["tally_audit_balanced NaN"])
    }

    @Test("names and labels of a library are made to fit, and its clash with a metric of tally's ends nothing")
    func libraries() {
        Counter(label: "9.http-requests", dimensions: [("a.b", "x\"\\\ny")], factory: self.registry).increment()
        Counter(.flushCounts, in: self.registry).increment()
        Timer(label: Metric.flushCounts.name, factory: self.registry).recordSeconds(1)
        #expect(self.lines("_") == [#"__http_requests{a_b="x\"\\\ny"} 1"#])
        #expect(self.lines("tally_flush_counts_total") == ["tally_flush_counts_total 1"])
    }

    @Test("every metric keeps to the names of Prometheus, and no histogram's buckets are out of order")
    func table() {
        for metric in Metric.allCases {
            #expect(Exposition.name(metric.name) == metric.name)
            #expect(metric.name.hasSuffix("_total") == (metric.details.kind == .counter), "\(metric.name)")
            #expect(metric.details.help.hasSuffix(".") && !metric.details.help.contains("\n"), "\(metric.name)")
            if case .durations(let bounds) = metric.details.kind { #expect(bounds == bounds.sorted()) }
            if case .sizes(let bounds) = metric.details.kind { #expect(bounds == bounds.sorted()) }
        }
    }

    @Test("what refreshes is asked before each writing")
    func refreshes() {
        let meter = Meter(.connections, in: self.registry)
        self.registry.beforeWriting { meter.increment(by: 1) }
        #expect(self.lines("tally_connections") == ["tally_connections 1"])
        #expect(self.lines("tally_connections") == ["tally_connections 2"])
    }
}
