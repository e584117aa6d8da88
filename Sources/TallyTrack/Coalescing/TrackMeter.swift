import CoreMetrics
import NIOCore
public import TallyMetrics

/// What /track does, for the metrics. Added up once for each batch or tick, and once for each request that is refused
/// before it becomes part of a batch; never for each request that is counted. One for all loops.
public final class TrackMeter: Sendable {
    private let counted: Counter
    private let duplicate: Counter
    private let refused: [Problem.Reason: Counter]
    private let countedCounts: Counter
    private let duplicateCounts: Counter
    private let duration: Histogram
    private let batchCounters: Histogram

    public init(_ registry: MetricRegistry) {
        self.counted = Counter(.trackRequests, ["result": "counted"], in: registry)
        self.duplicate = Counter(.trackRequests, ["result": "duplicate"], in: registry)
        self.refused = Dictionary(
            uniqueKeysWithValues: Problem.Reason.allCases.map {
                ($0, Counter(.trackRequests, ["result": $0.rawValue], in: registry))
            })
        self.countedCounts = Counter(.trackCounts, ["result": "counted"], in: registry)
        self.duplicateCounts = Counter(.trackCounts, ["result": "duplicate"], in: registry)
        self.duration = registry.histogram(.trackDuration)
        self.batchCounters = registry.histogram(.trackBatchCounters)
    }

    /// A batch goes to the buffer.
    func sent(_ batch: GatheredBatch) { self.batchCounters.record(Int64(batch.counts.entries.count), times: 1) }

    /// The requests of a batch are about to get their answers, whatever those say.
    func waited(_ batch: GatheredBatch, now: NIODeadline) {
        for arrival in batch.arrivals.ticks {
            self.duration.record((now - arrival.at).nanoseconds, times: arrival.requests)
        }
    }

    /// The buffer counted all of a batch.
    func counted(_ batch: GatheredBatch) {
        self.counted.increment(by: batch.waiters.count)
        self.countedCounts.increment(by: batch.counts.sum)
    }

    /// The buffer did not count all of a batch; `answered` follows for each request that waits.
    func counted(_ units: UnitVerdicts) {
        self.countedCounts.increment(by: units.countedSum)
        self.duplicateCounts.increment(by: units.duplicateSum)
    }

    /// A request of a batch that was not counted as a whole gets this answer.
    func answered(_ response: TrackResponse) {
        switch response {
        case .duplicate, .countedSome(accepted: 0, duplicates: _): self.duplicate.increment()
        case .problem(let problem): self.refused(problem.reason)
        default: self.counted.increment()
        }
    }

    /// Requests are answered with a problem.
    func refused(_ reason: Problem.Reason, requests: Int = 1) { self.refused[reason]?.increment(by: requests) }
}
