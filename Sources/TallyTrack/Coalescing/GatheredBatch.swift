import NIOCore
import TallyCore

/// A batch that is being gathered, with those who wait for its verdicts.
///
/// What a request adds goes through one call into each of the three, since Swift looks at every access to an object's
/// property whether it meets another one.
final class GatheredBatch {
    private var gathered = GatheredCounts()
    private(set) var waiters: [Waiter] = []
    private(set) var arrivals = Arrivals()

    var counts: CountBatch { self.gathered.counts }

    /// Adds what a request counts.
    /// - Parameters:
    ///   - parser: holds it.
    ///   - tick: when the tick of the event loop began in which the request came.
    /// - Returns: by how much the batch has grown; nil where the request belongs into the next one.
    @inline(__always)
    func add(
        _ shape: TrackShape, of parser: borrowing TrackParser, from connection: TrackHandler, request: Int,
        at tick: NIODeadline
    ) -> GatheredCounts.Growth? {
        guard let (unit, growth) = self.gathered.add(shape, of: parser) else { return nil }
        self.arrivals.note(at: tick)
        var accepted: Int64?
        if case .batch(let sum) = shape { accepted = sum }
        self.waiters.append(Waiter(connection: connection, request: request, unit: unit, accepted: accepted))
        return growth
    }

    /// Lets go of the waiters, who have their answer; the counts stay for the lane.
    func forgetWaiters() {
        self.waiters.removeAll(keepingCapacity: true)
        self.arrivals.removeAll()
    }

    /// Empties the batch and keeps its memory.
    func removeAll() {
        self.gathered.removeAll()
        self.forgetWaiters()
    }
}

/// When the waiters of a batch came: one entry for each tick in which any did.
struct Arrivals {
    /// Requests that came in one tick of the event loop.
    struct Arrival {
        let at: NIODeadline
        var requests: Int
    }

    private(set) var ticks: [Arrival] = []

    @inline(__always)
    mutating func note(at tick: NIODeadline) {
        if let last = self.ticks.indices.last, self.ticks[last].at == tick {
            self.ticks[last].requests += 1
        } else {
            self.ticks.append(Arrival(at: tick, requests: 1))
        }
    }

    mutating func removeAll() { self.ticks.removeAll(keepingCapacity: true) }
}

/// Someone who waits for a verdict: a request on a connection.
struct Waiter {
    let connection: TrackHandler
    /// Which of the connection's requests.
    let request: Int
    /// The unit of the batch that decides it.
    let unit: Int32
    /// The sum of the counts of a batch request; nil for a single count.
    let accepted: Int64?
}
