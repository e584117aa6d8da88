import NIOCore
import TallyCore

/// One event loop's way into the embedded buffer. Bound to that loop, which is why it needs no lock.
final class SQLiteBufferLane: BufferLane {
    private let eventLoop: any EventLoop
    private let writer: CountWriter
    /// Of the batch on its way, if there is one.
    private var completion: ((LaneOutcome) -> Void)?
    private var isClosed = false

    /// Called when a batch has been answered, after its completion, and when the lane is closed.
    var onStateChange: (() -> Void)?

    init(eventLoop: any EventLoop, writer: CountWriter) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.writer = writer
    }

    var isReady: Bool { !self.isClosed && self.completion == nil }

    /// A file is always at hand; whether it takes a batch, its outcome says.
    var isConnected: Bool { !self.isClosed }

    func send(_ batch: CountBatch, completion: @escaping (LaneOutcome) -> Void) {
        self.eventLoop.preconditionInEventLoop()
        guard !self.isClosed else {
            completion(.notCounted(BufferError(.unavailable, "the way into the embedded buffer has been closed")))
            return
        }
        precondition(self.completion == nil, "a lane holds one batch at a time")
        self.completion = completion
        let lane = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.writer.submit(batch) { [eventLoop] outcome in
            eventLoop.execute { lane.value.finish(outcome) }
        }
    }

    func close() {
        self.eventLoop.preconditionInEventLoop()
        guard !self.isClosed else { return }
        self.isClosed = true
        self.finish(.unknown(BufferError(.unavailable, "the embedded buffer was closed before it had answered")))
        self.onStateChange?()
        self.onStateChange = nil
    }

    /// After `close` the writer's own answer finds nobody waiting.
    private func finish(_ outcome: LaneOutcome) {
        guard let completion = self.completion else { return }
        self.completion = nil
        completion(outcome)
        if !self.isClosed { self.onStateChange?() }
    }
}
