import DequeModule
import Synchronization

/// How many readers may have their numbers in memory at a time; who comes later waits for a place, first come, first
/// served.
///
/// The numbers of one client may be two million, some 200 MB while they are read and put into an answer, and nothing
/// else bounds how many ask for them at once.
final class ReadPlaces: Sendable {
    /// A place is free again when nobody holds this any more, however the answer has ended.
    final class Place: Sendable {
        private let places: ReadPlaces

        fileprivate init(_ places: ReadPlaces) { self.places = places }

        deinit { self.places.leave() }
    }

    private typealias Continuation = CheckedContinuation<Place, any Error>

    private struct State {
        var free: Int
        var waiting: Deque<(number: Int, continuation: Continuation)> = []
        var nextNumber = 0

        mutating func takeFree(of places: ReadPlaces) -> Place? {
            guard self.free > 0 else { return nil }
            self.free -= 1
            return Place(places)
        }
    }

    private let state: Mutex<State>

    init(_ count: Int) { self.state = Mutex(State(free: count)) }

    /// How many wait, and how many places nobody has.
    var waitingCount: Int { self.state.withLock { $0.waiting.count } }
    var freeCount: Int { self.state.withLock { $0.free } }

    /// Takes a place, or waits until there is one.
    /// - Throws: `TimeIsUp` where there is none for so long.
    func take(within limit: Duration) async throws -> Place {
        if let place = self.state.withLock({ $0.takeFree(of: self) }) { return place }
        return try await within(limit, orElse: "all places are taken") { try await self.wait() }
    }

    private func wait() async throws -> Place {
        let number = self.state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // One may have come free since it was looked for; and the time may have been up before it was begun.
                let outcome: Result<Place, any Error>? = self.state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if let place = state.takeFree(of: self) { return .success(place) }
                    state.waiting.append((number, continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let given = self.state.withLock { state in
                state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
            }
            given?.continuation.resume(throwing: CancellationError())
        }
    }

    private func leave() {
        let next = self.state.withLock { state -> Continuation? in
            guard let next = state.waiting.popFirst() else {
                state.free += 1
                return nil
            }
            return next.continuation
        }
        next?.resume(returning: Place(self))
    }
}
