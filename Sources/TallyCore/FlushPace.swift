import Synchronization

/// How a flush shares processors, disk and the embedded file with the counts that come in meanwhile. Asked before each
/// piece of work, since traffic comes and goes while a long flush runs.
public struct FlushPace: Sendable {
    public enum Gait: Sendable {
        /// As fast as it goes: it is short, or somebody waits for it, or nobody counts.
        case full
        /// In small pieces with pauses between them, so that counts hardly wait. Takes many times as long.
        case considerate
    }

    private let choose: @Sendable () -> Gait

    public init(_ choose: @escaping @Sendable () -> Gait) { self.choose = choose }

    public static let full = FlushPace { .full }
    public static let considerate = FlushPace { .considerate }

    public var gait: Gait { self.choose() }
}

/// Says whether counts are coming in so fast that a flush should give way.
public final class TrafficGauge: Sendable {
    /// From so many batches a second on, some 1,000 requests a second, a flush gives way. Below it, few requests are
    /// under way at any moment that could be delayed.
    static let busyFrom = 500.0
    /// Over which time batches are counted.
    static let window: Duration = .milliseconds(50)

    private struct Sample {
        var takenAt: ContinuousClock.Instant
        var batches: Int
        var isBusy: Bool
    }

    private let batches = Atomic(0)
    private let sample: Mutex<Sample>

    public init() { self.sample = Mutex(Sample(takenAt: .now, batches: 0, isBusy: false)) }

    /// Called for each batch that a buffer has answered, from any event loop.
    public func countBatch() { self.batches.wrappingAdd(1, ordering: .relaxed) }

    /// As of the last window that has ended.
    public var isBusy: Bool {
        let batches = self.batches.load(ordering: .relaxed)
        return self.sample.withLock { sample in
            let now = ContinuousClock.now
            let passed = now - sample.takenAt
            if passed >= Self.window {
                let isBusy = Double(batches - sample.batches) / (passed / .seconds(1)) >= Self.busyFrom
                sample = Sample(takenAt: now, batches: batches, isBusy: isBusy)
            }
            return sample.isBusy
        }
    }
}
