public import CoreMetrics
import Synchronization

/// How values are spread over fixed buckets, written from any thread without a lock.
///
/// Takes many equal values at once, which swift-metrics' `Timer` and `Recorder` do not: what a tick of an event loop has
/// taken in is measured for the price of one request.
public final class Histogram: Series, TimerHandler, RecorderHandler {
    private final class Bucket: Sendable {
        let count = Atomic<Int64>(0)
    }

    /// Upper bounds of the buckets, inclusive and ascending, in the unit in which values are recorded.
    private let bounds: [Int64]
    /// How many of that unit make one of the unit that is shown: 1,000,000,000 for nanoseconds and seconds.
    private let unitsShown: Double
    /// One more than there are bounds: the last one takes what is above them all.
    private let buckets: [Bucket]
    private let sum = Atomic<Int64>(0)

    init(_ kind: Metric.Kind) {
        switch kind {
        case .durations(let bounds): (self.bounds, self.unitsShown) = (bounds, 1_000_000_000)
        case .sizes(let bounds): (self.bounds, self.unitsShown) = (bounds, 1)
        case .counter, .gauge: preconditionFailure("only a histogram has buckets")
        }
        self.buckets = (0...self.bounds.count).map { _ in Bucket() }
    }

    /// Records a value that was met so many times.
    public func record(_ value: Int64, times: Int) {
        guard times > 0 else { return }
        var index = 0
        while index < self.bounds.count, value > self.bounds[index] { index += 1 }
        self.buckets[index].count.wrappingAdd(Int64(times), ordering: .relaxed)
        self.sum.wrappingAdd(value &* Int64(times), ordering: .relaxed)
    }

    public func recordNanoseconds(_ duration: Int64) { self.record(duration, times: 1) }
    public func record(_ value: Int64) { self.record(value, times: 1) }

    public func record(_ value: Double) {
        // What is no whole number of 64 bits is none that tally records.
        if let whole = Int64(exactly: value.rounded()) { self.record(whole, times: 1) }
    }

    /// Values that are recorded meanwhile may be in a bucket and not in the sum.
    func write(_ name: String, _ labels: String, to text: inout String) {
        let comma = labels.isEmpty ? "" : ","
        var below: Int64 = 0
        for (index, bucket) in self.buckets.enumerated() {
            below += bucket.count.load(ordering: .relaxed)
            let bound =
                index < self.bounds.count
                ? Exposition.number(Double(self.bounds[index]) / self.unitsShown) : "+Inf"
            text.appendSample(name + "_bucket", "\(labels)\(comma)le=\"\(bound)\"", "\(below)")
        }
        let sum = Double(self.sum.load(ordering: .relaxed)) / self.unitsShown
        text.appendSample(name + "_sum", labels, Exposition.number(sum))
        text.appendSample(name + "_count", labels, "\(below)")
    }
}
