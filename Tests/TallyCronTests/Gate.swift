import Synchronization
import Testing

/// Holds a job where a test wants it, and counts its arrivals. For one job at a time. Cancellation opens it, so that a
/// failed test comes to an end.
final class Gate: Sendable {
    private let arrivals = Mutex((count: 0, watchers: [AsyncStream<Int>.Continuation]()))
    private let permits: AsyncStream<Void>
    private let permit: AsyncStream<Void>.Continuation

    init() { (self.permits, self.permit) = AsyncStream.makeStream() }

    /// Says that somebody is here, and waits to be let through.
    func pass() async {
        self.arrivals.withLock { arrivals in
            arrivals.count += 1
            for watcher in arrivals.watchers { watcher.yield(arrivals.count) }
        }
        for await _ in self.permits { return }
    }

    /// Lets one through: who waits, else who comes next.
    func open() { self.permit.yield() }

    /// Waits until so many have come, from the beginning. The test's time limit ends a wait in vain.
    func entered(_ count: Int) async {
        let (changes, watcher) = AsyncStream.makeStream(of: Int.self)
        self.arrivals.withLock { arrivals in
            arrivals.watchers.append(watcher)
            watcher.yield(arrivals.count)
        }
        for await entered in changes where entered >= count { return }
        Issue.record("nobody came to the gate as number \(count)")
    }
}
