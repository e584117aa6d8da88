public import NIOCore

/// Takes counts quickly and durably, and keeps them until the store has them. Two stand behind it: Redis and SQLite.
///
/// Counts go in through lanes, one for each event loop. The flush takes them out: `seal`, then for every pending
/// entry, oldest first, `read`, apply to the store, `acknowledge`. A batch lives until it is acknowledged, so a flush
/// that stops anywhere loses nothing, and the next one goes on from there.
public protocol CounterBuffer: Sendable {
    /// For logs and records: `redis`, `embedded`.
    var kind: String { get }

    /// Makes the way in for one event loop. To be called, and the lane to be used, on that loop alone.
    func makeLane(on eventLoop: any EventLoop) -> any BufferLane

    /// Closes what was counted so far under the next batch number; later counts go into a fresh batch. Returns once the
    /// seal is durable. Nothing counted, nothing sealed.
    /// - Throws: `BufferError`.
    func seal() async throws

    /// What waits to be flushed, oldest first.
    /// - Throws: `BufferError`.
    func pending() async throws -> [PendingEntry]

    /// Reads a pending batch; nil where it is no longer pending, since somebody else has finished it.
    /// - Throws: `BufferError`.
    func read(_ id: BatchID) async throws -> SealedBatch?

    /// Forgets an entry that the store has finished. Does nothing where it is not pending.
    /// - Parameter pace: how much of the machine it may take.
    /// - Throws: `BufferError`.
    func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws

    /// Runs `body` while no other flusher of this buffer does, or returns nil at once where one is at work. Only
    /// thrift: two flushers at once would be right, and do everything twice.
    func withFlushLock<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result?

    /// Whether the buffer answers.
    /// - Throws: `BufferError`, which says why not.
    func ping() async throws

    /// What was accepted and what of it still waits, all of one moment, for the audit.
    /// - Throws: `BufferError`.
    func ledger() async throws -> BufferLedger
}

extension CounterBuffer {
    /// Forgets an entry as fast as it goes.
    public func acknowledge(_ entry: PendingEntry) async throws { try await self.acknowledge(entry, pace: .full) }
}

/// One event loop's way into a buffer. Lives on that loop alone, and holds one batch at a time: the answer to a batch
/// comes before the next one is sent, and what has gathered meanwhile makes the next one larger.
public protocol BufferLane: AnyObject {
    /// Whether `send` may be called now: the buffer can be reached and no batch is on its way.
    var isReady: Bool { get }

    /// Called whenever `isReady` may have changed, so after every completion too.
    var onStateChange: (() -> Void)? { get set }

    /// False while the buffer cannot be reached; counts are then better refused than kept waiting.
    var isConnected: Bool { get }

    /// Hands a batch over. `completion` is called exactly once, on the lane's event loop, possibly long after: a batch
    /// whose answer was lost is settled when the buffer is back.
    func send(_ batch: CountBatch, completion: @escaping (LaneOutcome) -> Void)

    /// Gives up: nothing more is sent, and what is unanswered completes as `.unknown`.
    func close()
}

/// What became of a batch.
public enum LaneOutcome: Sendable {
    /// The buffer has it durably, but for the units listed.
    case counted(Verdicts)
    /// For certain nothing of it was counted; it may be sent again.
    case notCounted(BufferError)
    /// It was sent and no answer came: it may have been counted. It is never sent again.
    case unknown(BufferError)
}

/// Why a buffer could not do what it was asked.
public struct BufferError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// It cannot be reached.
        case unavailable
        /// It answered that it will not: out of memory, read-only, wrong password.
        case refused
        /// Another deployment owns what is configured; going on would split the counts.
        case ownedByAnother
        /// What lies in the buffer is not what tally writes.
        case malformed
    }

    public let code: Code
    /// What was attempted and what came of it, in words for the operator. Holds no names that a client chose.
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
