import Logging
import NIOCore
import TallyCore

/// Commands of the flush and of health checks, one connection, made anew when it was lost. Safe to share.
///
/// Retrying is the caller's: a command whose answer was lost throws `.unavailable`, and may have been carried out.
final class RedisClient: Sendable {
    private let session: RedisSession
    private let eventLoop: any EventLoop
    private let state: NIOLoopBoundBox<State>

    private struct State {
        var connection: RedisConnection?
        var waitingForConnection: [(Result<RedisConnection, BufferError>) -> Void] = []
        /// Redis is reached, and what is waited for takes long.
        var mustWait = false
        var isClosed = false
    }

    init(session: RedisSession, eventLoop: any EventLoop) {
        self.session = session
        self.eventLoop = eventLoop
        self.state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: eventLoop)
    }

    /// Sends a command and returns its reply; an error reply is thrown as `.refused`.
    /// - Parameter timeout: for a connection that counts, and then for the reply.
    func command(_ arguments: [String], timeout: TimeAmount = .seconds(10)) async throws -> RESPValue {
        let promise = self.eventLoop.makePromise(of: RESPValue.self)
        self.eventLoop.execute { self.send(arguments, timeout: timeout, promise) }
        return try await promise.futureResult.get()
    }

    /// Runs one of tally's scripts. They are few and small next to what they do, so the text itself is sent; Redis
    /// keeps what it has compiled.
    func run(_ script: RedisScript, _ arguments: [String]) async throws -> RESPValue {
        try await self.command(
            ["EVAL", script.source, "1", self.session.keys.meta, self.session.keys.base] + arguments)
    }

    /// A setting of Redis' own; nil where a managed Redis forbids CONFIG, or none can be reached.
    func setting(_ name: String) async -> String? {
        try? await self.command(["CONFIG", "GET", name]).array?.last?.text
    }

    func close() async {
        try? await self.eventLoop.submit {
            self.state.value.isClosed = true
            self.state.value.connection?.close()
            self.state.value.connection = nil
            self.connected(.failure(Self.isStopping))
        }.get()
    }

    private static let isStopping = BufferError(
        .unavailable, "the connection to Redis is closed, since tally is stopping")

    private func send(_ arguments: [String], timeout: TimeAmount, _ promise: EventLoopPromise<RESPValue>) {
        var isLate = false
        let timer = self.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            isLate = true
            promise.fail(self.late(arguments[0], after: timeout))
        }
        self.withConnection { [session] result in
            guard !isLate else { return }
            timer.cancel()
            switch result {
            case .failure(let error): promise.fail(error)
            case .success(let connection):
                // From here on a silent Redis costs the connection, too.
                connection.send(arguments, within: timeout) { result in
                    switch result {
                    case .failure(let error): promise.fail(error)
                    case .success(.error(let message)):
                        promise.fail(
                            BufferError(.refused, "Redis at \(session.endpoint) refused \(arguments[0]): \(message)"))
                        if message.hasPrefix("READONLY") { connection.close() }
                    case .success(let reply): promise.succeed(reply)
                    }
                }
            }
        }
    }

    /// Why there was no connection in time.
    private func late(_ command: String, after timeout: TimeAmount) -> BufferError {
        if self.state.value.mustWait { return self.session.isRewriting }
        return BufferError(
            .unavailable,
            "Redis at \(self.session.endpoint) could not be asked for \(command) within \(timeout.nanoseconds / 1_000_000_000) s"
        )
    }

    private func withConnection(_ body: @escaping (Result<RedisConnection, BufferError>) -> Void) {
        if let connection = self.state.value.connection { return body(.success(connection)) }
        guard !self.state.value.isClosed else { return body(.failure(Self.isStopping)) }
        self.state.value.waitingForConnection.append(body)
        guard self.state.value.waitingForConnection.count == 1 else { return }
        RedisConnection.connect(to: self.session.endpoint, on: self.eventLoop) { result in
            switch result {
            case .failure(let error): self.connected(.failure(error))
            case .success(let connection):
                // The flush seals, so it too must know whether this Redis is the one that was left.
                self.session.sayHello(on: connection, mustWait: { self.state.value.mustWait = true }) { greeting in
                    self.state.value.mustWait = false
                    switch greeting {
                    case .success where self.state.value.isClosed: connection.close()
                    case .failure(let error):
                        connection.close()
                        self.connected(.failure(error))
                    case .success:
                        connection.onClose = { _ in self.state.value.connection = nil }
                        self.state.value.connection = connection
                        self.connected(.success(connection))
                    }
                }
            }
        }
    }

    private func connected(_ result: Result<RedisConnection, BufferError>) {
        let waiting = self.state.value.waitingForConnection
        self.state.value.waitingForConnection = []
        for body in waiting { body(result) }
    }
}
