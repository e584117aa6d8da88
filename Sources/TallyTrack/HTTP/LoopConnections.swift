import NIOCore

/// The connections of one event loop, and what they hold together. They are looked at four times a second, all in one
/// task: 10,000 take less than a millisecond, and a request none.
///
/// Not Sendable: it lives on its loop.
final class LoopConnections {
    static let ticksPerSecond: UInt32 = 4
    /// How long the rest of a request is read and thrown away, so that its sender gets to read the answer.
    static let drainSeconds: UInt32 = 2

    /// Bytes of bodies that have not come in whole, over all connections: 64 of the largest. Past it: 503.
    static let maximumBodyBytes = 64 * TrackHandler.maximumBodyBytes

    private var bodyBytes = 0
    /// Ticks since the start, from 1. At four a second they last for 34 years.
    private(set) var now: UInt32 = 1
    let limits: ConnectionWatch.Limits
    private var handlers: [TrackHandler] = []

    init(eventLoop: any EventLoop, idleSeconds: Int, requestSeconds: Int) {
        self.limits = .init(
            idle: UInt32(clamping: idleSeconds) * Self.ticksPerSecond,
            request: UInt32(clamping: requestSeconds) * Self.ticksPerSecond,
            drain: Self.drainSeconds * Self.ticksPerSecond)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let tick = TimeAmount.nanoseconds(1_000_000_000 / Int64(Self.ticksPerSecond))
        eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in bound.value.look() }
    }

    /// - Returns: the place to give to `remove`.
    func add(_ handler: TrackHandler) -> Int {
        self.handlers.append(handler)
        return self.handlers.count - 1
    }

    func remove(at place: Int) {
        let last = self.handlers.count - 1
        self.handlers.swapAt(place, last)
        self.handlers.removeLast()
        if place < last { self.handlers[place].place = place }
    }

    /// Takes room for a part of a body, until `forgetBody`. False: there is none.
    func holdBody(_ bytes: Int) -> Bool {
        guard self.bodyBytes + bytes <= Self.maximumBodyBytes else { return false }
        self.bodyBytes += bytes
        return true
    }

    func forgetBody(_ bytes: Int) { self.bodyBytes -= bytes }

    private func look() {
        self.now += 1
        // From the end: one that is closed meanwhile is replaced by one that was looked at already.
        var place = self.handlers.count - 1
        while place >= 0 {
            if place < self.handlers.count { self.handlers[place].look() }
            place -= 1
        }
    }
}
