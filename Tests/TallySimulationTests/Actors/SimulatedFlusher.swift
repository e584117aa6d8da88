import TallyCore
import TallyFlush
import TallyTestSupport

/// Runs the jobs of the simulated flushers on the thread that asks for it, so that a run is always the same.
final class StepExecutor: TaskExecutor, @unchecked Sendable {
    private var jobs: [UnownedJob] = []

    func enqueue(_ job: consuming ExecutorJob) { self.jobs.append(UnownedJob(job)) }

    /// Runs until every flusher waits for something.
    func drain() {
        while !self.jobs.isEmpty {
            self.jobs.removeFirst().runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}

/// A process with the real `Flusher`, over the models. It stops between any two steps of theirs until the world lets it
/// go on; so it can be overtaken, freeze and thaw, or be killed.
final class SimulatedFlusher: @unchecked Sendable {
    struct Killed: Error {}

    let number: Int
    private unowned let world: World
    /// Nil for a flusher that has no spool (`tally flush` elsewhere).
    private let spool: ModelSpool?
    private var flusher: Flusher?
    private var redisBuffer: ModelRedisBuffer?

    private(set) var isActive = false
    private var isKilled = false
    private var waiting: UnsafeContinuation<Void, any Error>?
    private var condition: (() -> Bool)?
    /// The step of the world at which it thaws.
    var frozenUntil = 0

    init(number: Int, spool: ModelSpool?, world: World) {
        self.number = number
        self.spool = spool
        self.world = world
    }

    // MARK: As the world sees it

    func start() {
        guard !self.isActive else { return }
        self.isActive = true
        let flusher = self.flusher ?? self.makeFlusher()
        self.flusher = flusher
        self.world.note("flusher \(self.number) starts")
        Task(executorPreference: self.world.executor) { [self] in
            do {
                let report = try await flusher.flush(isUrgent: true)
                self.world.note("flusher \(self.number) ends: \(report.batches) batches")
            } catch {
                self.world.note("flusher \(self.number) ends: \(error)")
            }
            self.isActive = false
        }
        self.world.executor.drain()
    }

    /// Lets it go on to its next pause, where what it waits for has happened.
    func step() {
        guard let waiting = self.waiting, self.condition?() ?? true else { return }
        self.waiting = nil
        self.condition = nil
        waiting.resume()
        self.world.executor.drain()
    }

    /// The process ends, wherever it was.
    func kill() {
        self.isKilled = true
        if let waiting = self.waiting {
            self.waiting = nil
            self.condition = nil
            waiting.resume(throwing: Killed())
            self.world.executor.drain()
        }
        self.isKilled = false
        self.frozenUntil = 0
        self.redisBuffer?.disconnect()
    }

    private func makeFlusher() -> Flusher {
        let redis = ModelRedisBuffer(flusher: self, world: self.world)
        self.redisBuffer = redis
        var buffers: [any CounterBuffer] = [redis]
        if let spool {
            buffers.append(
                ModelSpoolBuffer(kind: "spool\(self.number)", spool: spool, flusher: self, world: self.world))
        }
        return Flusher(
            buffers: buffers, store: ModelStore(flusher: self, world: self.world), logger: .silent, now: { 0 })
    }

    // MARK: As the models see it

    /// A place where something else may happen first.
    func pause() async throws {
        if self.isKilled { throw Killed() }
        guard !self.world.isHealing, self.world.chance.percent(self.world.profile.pausePercent) else { return }
        try await withUnsafeThrowingContinuation { self.waiting = $0 }
    }

    func wait(until condition: @escaping () -> Bool) async throws {
        if self.isKilled { throw Killed() }
        guard !condition() else { return }
        self.condition = condition
        try await withUnsafeThrowingContinuation { self.waiting = $0 }
    }

    /// Whether a command, or its answer, is lost.
    func fails() -> Bool {
        !self.world.isHealing && self.world.chance.percent(self.world.profile.commandFailurePercent)
    }

    /// Whether MongoDB does not take one statement of a command.
    func isStatementRefused() -> Bool {
        !self.world.isHealing && self.world.chance.percent(self.world.profile.statementFailurePercent)
    }
}
