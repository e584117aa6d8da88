#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import NIOCore
import NIOPosix
import NIOSSL
import TallyCore

/// One connection to Redis, entered (TLS, AUTH, SELECT). To be used on its event loop alone.
///
/// - Source: AUTH https://redis.io/docs/latest/commands/auth/, SELECT https://redis.io/docs/latest/commands/select/
final class RedisConnection {
    /// What a Redis may take for an answer while a connection is being set up.
    static let entryTimeout: TimeAmount = .seconds(5)

    let channel: any Channel
    private let handler: RedisChannelHandler

    private init(channel: any Channel, handler: RedisChannelHandler) {
        self.channel = channel
        self.handler = handler
    }

    /// Connects and enters, or calls back with an error that says where it failed and what to look at. The callback
    /// comes once, on `eventLoop`.
    static func connect(
        to endpoint: RedisEndpoint, on eventLoop: any EventLoop, timeout: TimeAmount = .seconds(3),
        completion: @escaping (Result<RedisConnection, BufferError>) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        let completion = NIOLoopBound(completion, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = endpoint.tls {
                        // An IP address cannot be a server name (RFC 6066, section 3).
                        let isAddress = (try? SocketAddress(ipAddress: endpoint.host, port: 0)) != nil
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : endpoint.host))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        RedisChannelHandler(peer: endpoint.description))
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .whenComplete { result in
                switch result {
                case .failure(let error):
                    completion.value(.failure(Self.cannotConnect(endpoint, error)))
                case .success(let channel):
                    guard let handler = try? channel.pipeline.syncOperations.handler(type: RedisChannelHandler.self)
                    else {
                        completion.value(
                            .failure(
                                BufferError(
                                    .unavailable,
                                    "Redis at \(endpoint) closed the connection at once; is the port right, and TLS wanted?"
                                )))
                        return
                    }
                    RedisConnection(channel: channel, handler: handler).enter(endpoint, completion.value)
                }
            }
    }

    /// Sends an encoded command. See `RedisChannelHandler.send`.
    func send(_ command: ByteBuffer, completion: @escaping RedisChannelHandler.Completion) {
        self.handler.send(command, on: self.channel, completion: completion)
    }

    /// Sends a command and closes the connection where no answer comes in time: the peer may be frozen, or the host gone.
    /// The completion then gets `.unavailable`, which says so.
    func send(
        _ arguments: [String], within timeout: TimeAmount, completion: @escaping RedisChannelHandler.Completion
    ) {
        self.send(arguments.map { Array($0.utf8) }, within: timeout, completion: completion)
    }

    /// The same with arguments that are bytes.
    func send(
        _ arguments: [[UInt8]], within timeout: TimeAmount, completion: @escaping RedisChannelHandler.Completion
    ) {
        var isLate = false
        let timer = self.channel.eventLoop.assumeIsolated().scheduleTask(in: timeout) { [channel] in
            isLate = true
            channel.close(promise: nil)
        }
        var command = self.channel.allocator.buffer(capacity: 256)
        command.writeRESPArray(count: arguments.count)
        for argument in arguments { command.writeRESPBulk(argument) }
        self.send(command) { [peer = self.handler.peer] result in
            timer.cancel()
            guard isLate else { return completion(result) }
            let seconds = timeout.nanoseconds / 1_000_000_000
            completion(
                .failure(
                    BufferError(
                        .unavailable,
                        "Redis at \(peer) gave no answer to \(String(decoding: arguments[0], as: UTF8.self)) within \(seconds) s"
                    )))
        }
    }

    /// Called once when the connection is gone, on the event loop.
    var onClose: ((BufferError) -> Void)? {
        get { self.handler.onClose }
        set { self.handler.onClose = newValue }
    }

    func close() { self.channel.close(promise: nil) }

    private func enter(
        _ endpoint: RedisEndpoint, _ completion: @escaping (Result<RedisConnection, BufferError>) -> Void
    ) {
        var steps: [(command: [String], mend: String)] = []
        if let password = endpoint.password {
            steps.append(
                (
                    ["AUTH"] + (endpoint.user.map { [$0] } ?? []) + [password],
                    "check the user and password in \(endpoint.setting)"
                ))
        }
        // SELECT 0 changes nothing, but its answer tells a Redis that wants a password from one that does not.
        steps.append(
            (
                ["SELECT", String(endpoint.database)],
                "check the password and the database number in \(endpoint.setting)"
            ))
        self.run(steps[...], endpoint, completion)
    }

    private func run(
        _ steps: ArraySlice<(command: [String], mend: String)>, _ endpoint: RedisEndpoint,
        _ completion: @escaping (Result<RedisConnection, BufferError>) -> Void
    ) {
        guard let step = steps.first else {
            completion(.success(self))
            return
        }
        self.send(step.command, within: Self.entryTimeout) { result in
            switch result {
            case .success(.error(let message)):
                self.close()
                // A Redis that is still reading its files is away, not refusing.
                let code: BufferError.Code = message.hasPrefix("LOADING") ? .unavailable : .refused
                completion(
                    .failure(
                        BufferError(
                            code, "Redis at \(endpoint) refused \(step.command[0]): \(message); \(step.mend)")))
            case .success:
                self.run(steps.dropFirst(), endpoint, completion)
            case .failure(let error):
                self.close()
                completion(.failure(error))
            }
        }
    }

    private static func cannotConnect(_ endpoint: RedisEndpoint, _ error: any Error) -> BufferError {
        BufferError(
            .unavailable,
            "cannot reach Redis at \(endpoint): \(Self.reason(error)); check that it runs, and \(endpoint.setting)")
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let dns = error.dnsAError ?? error.dnsAAAAError, error.connectionErrors.isEmpty {
                return "the name \(error.host) cannot be resolved (\(dns))"
            }
            return error.connectionErrors.first.map { self.reason($0.error) } ?? "no address answered"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout(let after): return "no answer within \(after.nanoseconds / 1_000_000) ms"
        default: return "\(error)"
        }
    }
}
