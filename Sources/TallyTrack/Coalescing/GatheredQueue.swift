import DequeModule
import NIOCore

/// What one event loop has gathered and not sent: full batches, oldest first, and the open one that requests go into.
///
/// Not Sendable: it lives on its loop.
final class GatheredQueue {
    /// Emptied batches that are kept for their memory.
    private static let maximumSpare = 4

    /// Of the names and event IDs.
    private(set) var bytes = 0
    private(set) var entries = 0
    /// Since when the oldest waits, or since something was sent.
    var since = NIODeadline.now()

    private var open = GatheredBatch()
    private var full: Deque<GatheredBatch> = []
    private var spare: [GatheredBatch] = []

    var isEmpty: Bool { self.entries == 0 }

    /// Whether the first batch takes no more.
    var hasFull: Bool { !self.full.isEmpty }

    /// How many requests wait in the first batch.
    var firstWaiters: Int { (self.full.first ?? self.open).waiters.count }

    /// Adds what a request counts; the parameters are those of `GatheredBatch.add`.
    @inline(__always)
    func add(
        _ shape: TrackShape, of parser: borrowing TrackParser, from connection: TrackHandler, request: Int,
        at tick: NIODeadline
    ) {
        if self.isEmpty { self.since = tick }
        while true {
            if let growth = self.open.add(shape, of: parser, from: connection, request: request, at: tick) {
                self.bytes += growth.bytes
                self.entries += growth.entries
                return
            }
            // An empty batch takes any request, so this ends.
            self.full.append(self.takeOpen())
        }
    }

    /// Takes out the oldest batch.
    func popFirst() -> GatheredBatch? {
        if self.isEmpty { return nil }
        let batch = self.full.popFirst() ?? self.takeOpen()
        self.bytes -= batch.counts.bytes.count
        self.entries -= batch.counts.entries.count
        return batch
    }

    /// Takes back a batch that has been dealt with.
    func recycle(_ batch: GatheredBatch) {
        guard self.spare.count < Self.maximumSpare else { return }
        batch.removeAll()
        self.spare.append(batch)
    }

    private func takeOpen() -> GatheredBatch {
        let batch = self.open
        self.open = self.spare.popLast() ?? GatheredBatch()
        return batch
    }
}
