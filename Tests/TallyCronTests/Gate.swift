import Synchronization

/// Holds jobs where a test wants them, and counts them. Does not give way to cancellation.
final class Gate: Sendable {
    private struct State {
        var entered = 0
        var permits = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    /// Says that somebody is here, and waits to be let through.
    func pass() async {
        await withCheckedContinuation { continuation in
            let resumed = self.state.withLock { state in
                state.entered += 1
                let entered = state.entered
                var resumed = state.watchers.filter { $0.count <= entered }.map(\.continuation)
                state.watchers.removeAll { $0.count <= entered }
                if state.permits > 0 {
                    state.permits -= 1
                    resumed.append(continuation)
                } else {
                    state.waiting.append(continuation)
                }
                return resumed
            }
            for continuation in resumed { continuation.resume() }
        }
    }

    /// Lets one through: who waits, else who comes next.
    func open() {
        let resumed = self.state.withLock { state in
            if state.waiting.isEmpty {
                state.permits += 1
                return nil as CheckedContinuation<Void, Never>?
            }
            return state.waiting.removeFirst()
        }
        resumed?.resume()
    }

    /// Waits until so many have come, from the beginning.
    func entered(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isSo = self.state.withLock { state in
                if state.entered >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isSo { continuation.resume() }
        }
    }
}

/// A list that many may add to.
final class Recorder<Element: Sendable>: Sendable {
    private let kept = Mutex<[Element]>([])

    var all: [Element] { self.kept.withLock { $0 } }

    func add(_ element: Element) { self.kept.withLock { $0.append(element) } }
}
