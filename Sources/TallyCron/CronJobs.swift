public import Logging
public import ServiceLifecycle
import Synchronization
import TallyCore

/// Runs jobs on their schedules, until graceful shutdown.
///
/// - Each run's time comes from the schedule and the wall clock, never from the end of the run before: no drift.
/// - A job never overlaps with itself. The ticks that fall while it runs are left out, counted and reported.
/// - Different jobs run side by side.
/// - Ticks that pass while the machine sleeps, or the wall clock is set forward over them, give one run.
/// - If the wall clock is set back, the schedule is followed anew from there: ticks may come a second time. Steps of up
///   to two seconds, as time servers make them, bring no tick back.
/// - A run that throws is reported, and the schedule goes on.
/// - Graceful shutdown starts no more runs, and waits for those that are under way without cancelling them.
///   Cancelling the task cancels them too.
///
/// Each run gives one log line: at `error` if the job threw, at `warning` if ticks were left out, at `info` if the job
/// returned a text, else at `debug`.
public final class CronJobs: Service {
    /// What a job does. It returns a short text for the log, such as `moved 3 batches`, or nil where there is nothing
    /// to tell.
    public typealias Job = @Sendable () async throws -> String?

    /// Where the count of ticks left out ends, so that a wall clock set forward by decades costs no time:
    /// two months of a tick every minute.
    public static let maximumSkippedTicks = 90_000

    private struct Entry: Sendable {
        let name: String
        let schedule: CronSchedule
        let job: Job
    }

    private struct State {
        var entries: [Entry] = []
        var hasStarted = false
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let clock: any CronClock
    private let onRun: (@Sendable (CronRun) -> Void)?

    /// - Parameters:
    ///   - logger: Takes one line for each run.
    ///   - clock: The machine's own, but for tests.
    ///   - onRun: Called after each run, for metrics.
    public init(
        logger: Logger, clock: any CronClock = SystemCronClock(), onRun: (@Sendable (CronRun) -> Void)? = nil
    ) {
        self.logger = logger
        self.clock = clock
        self.onRun = onRun
    }

    /// Registers a job. To be called before `run()`, with a name that no other job has.
    public func scheduleCronJob(_ name: String, _ schedule: CronSchedule, _ job: @escaping Job) {
        self.state.withLock { state in
            precondition(!state.hasStarted, "cron job \(name) was registered after the jobs were started")
            precondition(!state.entries.contains { $0.name == name }, "there are two cron jobs named \(name)")
            state.entries.append(Entry(name: name, schedule: schedule, job: job))
        }
    }

    /// The names of all jobs, in the order in which they were registered.
    public var names: [String] { self.state.withLock { $0.entries.map(\.name) } }

    /// The next tick of a job, in seconds since 1970. Nil for a name that no job has.
    public func nextRun(of name: String) -> Int64? {
        let entry = self.state.withLock { state in state.entries.first { $0.name == name } }
        return entry?.schedule.next(after: self.clock.now())
    }

    /// Runs the jobs until graceful shutdown or cancellation. To be called once.
    public func run() async throws {
        let entries = self.state.withLock { state in
            precondition(!state.hasStarted, "the cron jobs were started twice")
            state.hasStarted = true
            return state.entries
        }
        guard !entries.isEmpty else {
            // A service that returns early would take the others down. Cancellation is an end like any other here.
            try? await gracefulShutdown()
            return
        }
        try await withThrowingDiscardingTaskGroup { group in
            for entry in entries {
                group.addTask { try await self.follow(entry) }
            }
        }
    }

    // MARK: One job

    private func follow(_ entry: Entry) async throws {
        // The last second of which all ticks have been dealt with.
        var dealtWith = self.clock.now()
        while let due = entry.schedule.next(after: dealtWith) {
            switch try await self.wait(until: due, from: dealtWith) {
            case .due: dealtWith = await self.perform(entry, due: due)
            case .clockWasSetBack(let now): dealtWith = now
            case .shutdown: return
            }
        }
    }

    private enum Wait {
        case due
        case clockWasSetBack(to: Int64)
        case shutdown
    }

    private func wait(until due: Int64, from dealtWith: Int64) async throws -> Wait {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let now = self.clock.now()
            if now >= due { return .due }
            if now < dealtWith - 2 { return .clockWasSetBack(to: now) }
            do {
                // Only the sleep is cancelled by a shutdown, never the job.
                try await cancelWhenGracefulShutdown { [clock] in try await clock.sleep(untilSeconds: due) }
            } catch is CancellationError {
                return .shutdown
            }
        }
        return .shutdown
    }

    /// Runs the job once, and returns the second up to which that settles all ticks.
    private func perform(_ entry: Entry, due: Int64) async -> Int64 {
        let startedAt = self.clock.now()
        let start = self.clock.uptime()
        let outcome: Result<String?, any Error>
        let succeeded: Bool
        do {
            outcome = .success(try await entry.job())
            succeeded = true
        } catch {
            outcome = .failure(error)
            succeeded = false
        }
        let duration = self.clock.uptime() - start
        let dealtWith = max(startedAt, self.clock.now())
        let skipped = Self.ticks(of: entry.schedule, after: startedAt, through: dealtWith)
        self.report(entry, outcome, duration, skipped)
        self.onRun?(
            CronRun(
                name: entry.name, dueSecondsSince1970: due, duration: duration,
                succeeded: succeeded, skippedTicks: skipped))
        return dealtWith
    }

    private static func ticks(of schedule: CronSchedule, after start: Int64, through end: Int64) -> Int {
        var count = 0
        var last = start
        while count < self.maximumSkippedTicks, let tick = schedule.next(after: last), tick <= end {
            count += 1
            last = tick
        }
        return count
    }

    private func report(_ entry: Entry, _ outcome: Result<String?, any Error>, _ duration: Duration, _ skipped: Int) {
        let (seconds, attoseconds) = duration.components
        let fields: [LogField: String] = [
            .job: entry.name, .durationMS: String(seconds * 1_000 + attoseconds / 1_000_000_000_000_000),
        ]
        let skips = skipped == 0 ? "" : "; skipped \(skipped) tick\(skipped == 1 ? "" : "s") while it ran"
        switch outcome {
        case .failure(let error):
            self.logger.log(.jobFailed, "cron job \(entry.name) failed: \(error)\(skips)", fields)
        case .success(let text):
            let level: Logger.Level = skipped > 0 ? .warning : text != nil ? .info : .debug
            self.logger.log(.jobDone, "cron job \(entry.name): \(text ?? "done")\(skips)", level: level, fields)
        }
    }
}
