import Logging
import NIOCore
import TallyCore

/// One event loop's connection to Redis: carries out what `LaneStateMachine` decides.
///
/// Not Sendable: it lives on its event loop from `start` to `close`.
final class RedisLane: BufferLane {
    /// A batch that has no answer after this long has met a dead connection; it is dropped, and the batch sent again
    /// on a new one.
    static let answerTimeout: TimeAmount = .seconds(5)

    private let eventLoop: any EventLoop
    private let session: RedisSession
    private let logger: Logger
    private var state = LaneStateMachine(makeLane: { UInt64.random(in: 1...UInt64.max) })
    private var connection: RedisConnection?
    private var trackScript = ""
    private var batch = CountBatch()
    private var completion: ((LaneOutcome) -> Void)?
    private var lastError = BufferError(.unavailable, "Redis has not been reached yet")
    /// Why this side dropped the connection; says more than that it is gone.
    private var cause: BufferError?
    private var backoff = Backoff()
    /// When the answer to what was sent is overdue. Looked at twice a second, which costs less than a timer a batch.
    private var answerDue: NIODeadline?
    private var clock: RepeatedTask?
    private var isClosed = false

    var onStateChange: (() -> Void)?

    init(on eventLoop: any EventLoop, session: RedisSession, logger: Logger) {
        self.eventLoop = eventLoop
        self.session = session
        self.logger = logger
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        self.clock = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(500), delay: .milliseconds(500)) { _ in
            bound.value.dropIfOverdue()
        }
        self.connect()
    }

    var isReady: Bool { self.state.isReady }
    var isConnected: Bool { self.state.isConnected }

    func send(_ batch: CountBatch, completion: @escaping (LaneOutcome) -> Void) {
        self.eventLoop.preconditionInEventLoop()
        self.batch = batch
        self.completion = completion
        self.perform(
            self.state.submit(now: .now(), retryWithin: batch.hasIDs ? self.session.retryIDsWithin : nil))
    }

    func close() {
        self.eventLoop.preconditionInEventLoop()
        self.isClosed = true
        self.clock?.cancel()
        self.connection?.onClose = nil
        self.connection?.close()
        self.connection = nil
        self.perform(self.state.close())
    }

    // MARK: Connecting

    private func connect() {
        guard !self.isClosed else { return }
        RedisConnection.connect(to: self.session.endpoint, on: self.eventLoop) { [self] result in
            switch result {
            case .failure(let error): self.retryLater(after: error)
            case .success(let connection):
                guard !self.isClosed else { return connection.close() }
                self.connection = connection
                self.state.greeting()
                connection.onClose = { [self] error in self.connectionLost(error) }
                self.loadScript(on: connection) { [self] in self.sayHello(on: connection) }
            }
        }
    }

    private func loadScript(on connection: RedisConnection, then next: @escaping () -> Void) {
        connection.send(
            ["SCRIPT", "LOAD", RedisScript.track.source], within: RedisConnection.entryTimeout
        ) { [self] result in
            switch result {
            case .success(let reply):
                guard let digest = reply.text else { return self.drop(connection, reply.unexpected("SCRIPT LOAD")) }
                self.trackScript = digest
                next()
            case .failure(let error): self.drop(connection, error)
            }
        }
    }

    private func sayHello(on connection: RedisConnection) {
        let mustWait = { [self] in
            self.lastError = self.session.isRewriting
            self.perform(self.state.mustWait())
            self.onStateChange?()
        }
        self.session.sayHello(on: connection, mustWait: mustWait) { [self] result in
            switch result {
            case .success(let epoch):
                if self.backoff.attempts > 0 {
                    self.logger.log(.redisBack, "Redis is back", [.redis: self.session.endpoint.description])
                }
                // With a batch under way it is the answer that shows whether things are well again.
                if !self.state.hasBatchUnderWay { self.backoff.reset() }
                self.perform(self.state.greeted(epoch: epoch, now: .now()))
                self.onStateChange?()
            case .failure(let error): self.drop(connection, error)
            }
        }
    }

    private func drop(_ connection: RedisConnection, _ error: BufferError) {
        // One that is lost already was said to be, and another may stand in its place.
        if connection === self.connection { self.cause = error }
        connection.close()
    }

    private func connectionLost(_ error: BufferError) {
        self.connection = nil
        self.lastError = self.cause ?? error
        self.cause = nil
        self.answerDue = nil
        self.perform(self.state.connectionLost(now: .now()))
        self.retryLater(after: self.lastError)
        self.onStateChange?()
    }

    private func dropIfOverdue() {
        guard let due = self.answerDue, due < .now(), let connection = self.connection else { return }
        self.answerDue = nil
        self.drop(
            connection,
            BufferError(
                .unavailable,
                "Redis at \(self.session.endpoint) gave no answer within \(Self.answerTimeout.nanoseconds / 1_000_000_000) s"
            ))
    }

    private func retryLater(after error: BufferError) {
        self.lastError = error
        guard !self.isClosed else { return }
        let delay = self.backoff.next()
        // One line when it goes away and one when it is back; what lies between would say nothing new.
        if self.backoff.attempts == 1 {
            self.logger.log(
                .redisAway, "\(error)",
                [.retry: "from \(delay.nanoseconds / 1_000_000) ms on, until it is back"])
        }
        self.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.connect() }
    }

    // MARK: Sending

    private func perform(_ action: LaneStateMachine.Action) {
        switch action {
        case .none: break
        case .send(let lane, let number, let epoch): self.write(lane: lane, number: number, epoch: epoch)
        case .hello:
            if let connection = self.connection { self.sayHello(on: connection) }
        case .loadScripts:
            if let connection = self.connection {
                self.loadScript(on: connection) { [self] in self.perform(self.state.scriptsLoaded(now: .now())) }
            }
        case .reconnect:
            if let connection = self.connection { self.drop(connection, self.lastError) }
        case .finish(let outcome):
            switch outcome {
            case .counted: preconditionFailure("verdicts travel with the answer")
            case .notCounted: self.finish(.notCounted(self.lastError))
            case .unknown: self.finish(.unknown(self.lastError))
            }
        }
    }

    private func finish(_ outcome: LaneOutcome) {
        guard let completion = self.completion else { return }
        self.completion = nil
        // Lets go of the batch's arrays, so that their owner can use them again without a copy.
        self.batch = CountBatch()
        completion(outcome)
        self.onStateChange?()
    }

    private func write(lane: UInt64, number: Int64, epoch: Epoch) {
        guard let connection = self.connection else { return }
        let command = TrackCommand.encode(
            self.batch, digest: self.trackScript, session: self.session, lane: lane, number: number, epoch: epoch,
            allocator: connection.channel.allocator)
        self.answerDue = .now() + Self.answerTimeout
        FailPoint.reach(.beforeSend)
        connection.send(command) { [self] result in
            self.answerDue = nil
            switch result {
            case .failure: break  // connectionLost follows
            case .success(.error(let message)):
                self.lastError = BufferError(.refused, "Redis at \(self.session.endpoint) refused a batch: \(message)")
                self.perform(self.state.refused(message))
            case .success(let reply):
                guard let verdicts = reply.bytes.flatMap(Verdicts.init(redis:)) else {
                    return self.drop(connection, reply.unexpected("a batch"))
                }
                if case .finish(.counted) = self.state.answered() {
                    self.backoff.reset()
                    self.finish(.counted(verdicts))
                }
            }
        }
        FailPoint.reach(.afterSend)
    }
}

extension RESPValue {
    func unexpected(_ command: String) -> BufferError {
        if case .error(let message) = self { return BufferError(.refused, "Redis refused \(command): \(message)") }
        return BufferError(.malformed, "Redis answered \(command) with something else than was asked for")
    }
}
