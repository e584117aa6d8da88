import Synchronization
import TallyCron
import Testing

/// A clock that moves only when it is told to, and knows who sleeps.
final class ManualClock: CronClock {
    private struct Sleeper {
        let deadline: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Int64
        var uptime: Duration = .zero
        var nextID = 0
        var sleepers: [Int: Sleeper] = [:]
        /// Sleeps that were cancelled before they began.
        var cancelled: Set<Int> = []
        var watchers: [AsyncStream<[Int64]>.Continuation] = []

        /// Shows the watchers until when there is sleep.
        func tellWatchers() {
            let deadlines = self.sleepers.values.map(\.deadline).sorted()
            for watcher in self.watchers { watcher.yield(deadlines) }
        }
    }

    private let state: Mutex<State>

    init(_ now: Int64) { self.state = Mutex(State(now: now)) }

    func now() -> Int64 { self.state.withLock { $0.now } }

    func uptime() -> Duration { self.state.withLock { $0.uptime } }

    func sleep(untilSeconds deadline: Int64) async throws {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let wasCancelled: Bool? = self.state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    if state.now >= deadline { return false }
                    state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    state.tellWatchers()
                    return nil
                }
                if let wasCancelled {
                    continuation.resume(with: wasCancelled ? .failure(CancellationError()) : .success(()))
                }
            }
        } onCancel: {
            let sleeper = self.state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                state.tellWatchers()
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Waits until exactly these sleeps are under way; with none, until nobody sleeps. The test's time limit ends a
    /// wait in vain.
    func sleeping(until deadlines: Int64...) async {
        let (changes, watcher) = AsyncStream.makeStream(of: [Int64].self)
        self.state.withLock { state in
            state.watchers.append(watcher)
            state.tellWatchers()
        }
        for await now in changes where now == deadlines { return }
        Issue.record("nobody sleeps until \(deadlines)")
    }

    /// Lets time pass, and wakes whoever's time has come.
    func advance(to now: Int64) {
        self.move(to: now, passing: .seconds(now - self.now()), wakeAll: false)
    }

    /// Sets the wall clock, while no time passes. All sleepers look up, as the machine's clock has them do from time
    /// to time.
    func set(to now: Int64) {
        self.move(to: now, passing: .zero, wakeAll: true)
    }

    private func move(to now: Int64, passing duration: Duration, wakeAll: Bool) {
        let woken = self.state.withLock { state in
            state.now = now
            state.uptime += duration
            let woken = state.sleepers.filter { wakeAll || $0.value.deadline <= now }
            for id in woken.keys { state.sleepers[id] = nil }
            state.tellWatchers()
            return woken.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }
}
