import CoreMetrics
import TallyCore
import TallyFlush
import TallyMetrics

/// What flushes do, for the metrics.
struct FlushMeter: Sendable {
    private let duration: Histogram
    private let counts: Counter
    private let failures: Counter
    private let lastSuccess: Meter

    init(_ registry: MetricRegistry) {
        self.duration = registry.histogram(.flushDuration)
        self.counts = Counter(.flushCounts, in: registry)
        self.failures = Counter(.flushFailures, in: registry)
        self.lastSuccess = Meter(.flushLastSuccess, in: registry)
        // A store that is away from the start must not pass for one of which nothing is known.
        self.lastSuccess.set(Timestamp.now())
    }

    func measure(_ flush: () async throws -> FlushReport) async throws -> FlushReport {
        let clock = ContinuousClock()
        let began = clock.now
        defer { self.duration.record((clock.now - began).nanoseconds, times: 1) }
        do {
            let report = try await flush()
            self.counts.increment(by: report.total)
            // What another instance has under way is not finished because this one is.
            if report.skippedBuffers.isEmpty { self.lastSuccess.set(Timestamp.now()) }
            return report
        } catch {
            self.failures.increment()
            if let error = error as? FlushError { self.counts.increment(by: error.report.total) }
            throw error
        }
    }
}

extension Duration {
    /// Good for 292 years.
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
