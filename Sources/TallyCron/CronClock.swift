#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What the jobs know about time. Tests bring a clock of their own.
public protocol CronClock: Sendable {
    /// The wall clock: whole seconds since 1970, rounded down. It may be set, forward or back.
    func now() -> Int64

    /// A clock that is never set, for durations. Only differences mean anything.
    func uptime() -> Duration

    /// Sleeps until the wall clock shows the second, or for a shorter while: the caller reads `now()` and sleeps
    /// again. Throws `CancellationError`, and nothing else, when the task is cancelled.
    func sleep(untilSeconds: Int64) async throws
}

/// The clock of the machine.
public struct SystemCronClock: CronClock {
    /// The longest single sleep: so late at most is a change of the wall clock noticed.
    public static let longestSleep: Duration = .seconds(30)

    private let start = ContinuousClock.now

    public init() {}

    public func now() -> Int64 { Self.wallClock().seconds }

    public func uptime() -> Duration { self.start.duration(to: .now) }

    public func sleep(untilSeconds: Int64) async throws {
        let (seconds, nanoseconds) = Self.wallClock()
        let remaining = Duration.seconds(untilSeconds - seconds) - .nanoseconds(nanoseconds)
        try await Task.sleep(for: max(Duration.zero, min(remaining, Self.longestSleep)), clock: .continuous)
    }

    private static func wallClock() -> (seconds: Int64, nanoseconds: Int64) {
        var time = timespec()
        // Cannot fail: the clock is one that every system has, and the pointer is good.
        clock_gettime(CLOCK_REALTIME, &time)
        return (Int64(time.tv_sec), Int64(time.tv_nsec))
    }
}
