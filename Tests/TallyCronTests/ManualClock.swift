import Synchronization
import TallyCron

/// A clock that moves only when it is told to, and knows who sleeps.
final class ManualClock: CronClock {
    private struct Sleeper {
        let deadline: Int64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        let deadlines: [Int64]
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now: Int64
        var uptime: Duration = .zero
        var nextID = 0
        var sleepers: [Int: Sleeper] = [:]
        /// Sleeps that were cancelled before they began.
        var cancelled: Set<Int> = []
        var watchers: [Watcher] = []

        var deadlines: [Int64] { self.sleepers.values.map(\.deadline).sorted() }

        /// Takes out the watchers who see now what they wait for.
        mutating func satisfiedWatchers() -> [Watcher] {
            let deadlines = self.deadlines
            let satisfied = self.watchers.filter { $0.deadlines == deadlines }
            self.watchers.removeAll { $0.deadlines == deadlines }
            return satisfied
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
                let (wasCancelled, watchers) = self.state.withLock { state -> (Bool?, [Watcher]) in
                    if state.cancelled.remove(id) != nil { return (true, []) }
                    if state.now >= deadline { return (false, []) }
                    state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    return (nil, state.satisfiedWatchers())
                }
                if let wasCancelled {
                    continuation.resume(with: wasCancelled ? .failure(CancellationError()) : .success(()))
                }
                for watcher in watchers { watcher.continuation.resume() }
            }
        } onCancel: {
            let (sleeper, watchers) = self.state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return (sleeper, state.satisfiedWatchers())
            }
            sleeper?.continuation.resume(throwing: CancellationError())
            for watcher in watchers { watcher.continuation.resume() }
        }
    }

    /// Waits until exactly these sleeps are under way; with none, until nobody sleeps.
    func sleeping(until deadlines: Int64...) async {
        await withCheckedContinuation { continuation in
            let isSo = self.state.withLock { state in
                if state.deadlines == deadlines { return true }
                state.watchers.append(Watcher(deadlines: deadlines, continuation: continuation))
                return false
            }
            if isSo { continuation.resume() }
        }
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
        let (woken, watchers) = self.state.withLock { state in
            state.now = now
            state.uptime += duration
            let woken = state.sleepers.filter { wakeAll || $0.value.deadline <= now }
            for id in woken.keys { state.sleepers[id] = nil }
            return (woken.values.map(\.continuation), state.satisfiedWatchers())
        }
        for continuation in woken { continuation.resume() }
        for watcher in watchers { watcher.continuation.resume() }
    }
}
