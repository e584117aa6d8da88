#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks a running service whether it is ready, over HTTP, as a balancer would.
public enum ReadinessProbe {
    public struct Answer: Sendable {
        /// 200 where buffer and store are reached, 503 where one is not.
        public let status: Int
        /// What the service says of itself; empty where the caller may not read.
        public let body: String
    }

    /// Sends `GET /readyz`.
    /// - Parameters:
    ///   - host: where the service listens. An address that means all of a machine's is taken for its loopback.
    ///   - isEncrypted: whether it speaks HTTPS. Its certificate is for its callers' name, not for the address that is
    ///     asked here, and is not looked at.
    ///   - timeout: in whole seconds, for everything together.
    /// - Throws: `StartError`, where nothing answers in time.
    public static func run(host: String, port: Int, isEncrypted: Bool, timeout: Duration) async throws -> Answer {
        let tls = isEncrypted ? try Self.unverified() : nil
        let target = Self.reachable(host)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let limit = TimeAmount(timeout)
        let promise = eventLoop.makePromise(of: Answer.self)
        let timer = eventLoop.scheduleTask(in: limit) {
            promise.fail(
                StartError(.unavailable, "\(target) port \(port) gave no answer within \(timeout.components.seconds) s")
            )
        }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: nil)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try channel.pipeline.syncOperations.addHandler(ReadinessHandler(host: target, promise: promise))
                }
            }
            .connect(host: target, port: port)
            .whenFailure { error in
                promise.fail(
                    StartError(
                        .unavailable,
                        "nothing answers at \(target) port \(port) (\(Self.reason(error))): is the service running?"))
            }
        defer { timer.cancel() }
        return try await promise.futureResult.get()
    }

    private static func unverified() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        return try NIOSSLContext(configuration: configuration)
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { self.reason($0.error) } ?? "the name \(error.host) cannot be resolved"
        case let error as IOError: String(cString: strerror(error.errnoCode))
        default: "\(error)"
        }
    }

    /// `0.0.0.0` and `::` can be listened on, not connected to.
    static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }
}

/// Sends the request when connected, and puts the answer together. A promise that has its value ignores further ones.
private final class ReadinessHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// As much as is read of an answer, in bytes.
    private static let maximumBody = 64 * 1024

    private let host: String
    private let promise: EventLoopPromise<ReadinessProbe.Answer>
    private var status = 0
    private var body: [UInt8] = []

    init(host: String, promise: EventLoopPromise<ReadinessProbe.Answer>) {
        self.host = host
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/readyz", headers: ["Host": name, "Connection": "close"])
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head): self.status = Int(head.status.code)
        case .body(let buffer):
            self.body += buffer.readableBytesView.prefix(Self.maximumBody - self.body.count)
        case .end:
            self.promise.succeed(.init(status: self.status, body: String(decoding: self.body, as: UTF8.self)))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.promise.fail(StartError(.unavailable, "the connection was closed before an answer came"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.promise.fail(StartError(.unavailable, "what was answered is not HTTP, or the connection broke: \(error)"))
        context.close(promise: nil)
    }
}
