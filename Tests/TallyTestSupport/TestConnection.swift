import NIOCore
public import NIOHTTP1
import NIOPosix
import NIOSSL

/// An answer over HTTP, complete.
public struct TestResponse: Sendable {
    public let status: Int
    public let headers: HTTPHeaders
    public let body: [UInt8]

    public var text: String { String(decoding: self.body, as: UTF8.self) }

    /// The first value of a header, whatever its case.
    public func header(_ name: String) -> String? { self.headers.first(name: name) }

    /// The body as JSON, see `JSONValue`.
    public func json() throws -> JSONValue { try JSONValue(parsing: self.body) }
}

/// A keep-alive connection over HTTP/1.1 that follows no redirects, retries nothing, and tells an answer from a lost
/// connection. Requests made at the same time are pipelined in the order of the calls.
public final class TestConnection: Sendable {
    private let channel: any Channel
    private let answers: NIOLoopBoundBox<AnswerCollector>

    /// Connects to a port of this machine.
    /// - Parameters:
    ///   - certificateFile: for HTTPS: a PEM file with the only certificate that is trusted.
    ///   - timeout: how long a request waits for its answer.
    public static func connect(
        port: Int, trusting certificateFile: String? = nil, timeout: Duration = .seconds(30)
    ) async throws -> TestConnection {
        let tls = try certificateFile.map { file in
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .file(file)
            return try NIOSSLContext(configuration: configuration)
        }
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let answers = NIOLoopBoundBox.makeBoxSendingValue(AnswerCollector(), eventLoop: eventLoop)
        let channel = try await ClientBootstrap(group: eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    // A lost request and a malformed answer both have to be seen, so nothing is smoothed over.
                    try channel.pipeline.syncOperations.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try channel.pipeline.syncOperations.addHandler(answers.value)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return TestConnection(channel: channel, answers: answers, port: port, timeout: timeout)
    }

    private let port: Int
    private let timeout: Duration

    private init(
        channel: any Channel, answers: NIOLoopBoundBox<AnswerCollector>, port: Int, timeout: Duration
    ) {
        self.channel = channel
        self.answers = answers
        self.port = port
        self.timeout = timeout
    }

    deinit { self.channel.close(promise: nil) }

    public var isOpen: Bool { self.channel.isActive }

    /// Sends a request and waits for its answer. `Host` and `Content-Length` are added where they are not given.
    ///
    /// - Parameter path: path and query, sent as they are.
    /// - Throws: `ConnectionLost`; its `requestSent` says whether the server may have seen the request. A wait that is
    ///   too long closes the connection and throws it too.
    public func request(
        _ method: HTTPMethod = .GET, _ path: String, headers: HTTPHeaders = [:], body: [UInt8]? = nil
    ) async throws -> TestResponse {
        var headers = headers
        if !headers.contains(name: "host") { headers.add(name: "Host", value: "127.0.0.1:\(self.port)") }
        if let body, !headers.contains(name: "content-length"), !headers.contains(name: "transfer-encoding") {
            headers.add(name: "Content-Length", value: String(body.count))
        }
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
        let channel = self.channel
        let answers = self.answers
        let timeout = self.timeout
        return try await channel.eventLoop.flatSubmit { () -> EventLoopFuture<TestResponse> in
            let promise = channel.eventLoop.makePromise(of: TestResponse.self)
            guard channel.isActive, !answers.value.isLast else {
                promise.fail(ConnectionLost(requestSent: false, received: []))
                return promise.futureResult
            }
            answers.value.waiting.append(promise)
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            if let body {
                channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            }
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            let timer = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) { channel.close(promise: nil) }
            promise.futureResult.whenComplete { _ in timer.cancel() }
            return promise.futureResult
        }.get()
    }

    /// The same with a text for a body.
    public func request(
        _ method: HTTPMethod = .GET, _ path: String, headers: HTTPHeaders = [:], body: String
    ) async throws -> TestResponse {
        try await self.request(method, path, headers: headers, body: Array(body.utf8))
    }

    public func close() async { try? await self.channel.close().get() }

    /// One request on a connection of its own.
    public static func once(
        port: Int, trusting certificateFile: String? = nil, _ method: HTTPMethod = .GET, _ path: String,
        headers: HTTPHeaders = [:], body: [UInt8]? = nil
    ) async throws -> TestResponse {
        let connection = try await self.connect(port: port, trusting: certificateFile)
        let response = try await connection.request(method, path, headers: headers, body: body)
        await connection.close()
        return response
    }

    /// Sends bytes as they are, for HTTP that is malformed, and gives back everything until the server closes.
    ///
    /// - Parameter halfClose: whether to say after the bytes that no more will come; a server that would wait for the rest
    ///   of a request then need not.
    /// - Throws: `TestSupportError` where the server does not close within `limit`; its text holds what came.
    public static func rawExchange(
        port: Int, _ bytes: [UInt8], halfClose: Bool = true, within limit: Duration = .seconds(10)
    ) async throws -> [UInt8] {
        let connection = try await ByteConnection.connect(port: port)
        try await connection.send(bytes)
        if halfClose { try? await connection.finishSending() }
        let answer = try await connection.receiveUntilClosed(within: limit)
        await connection.close()
        return answer
    }
}

/// Puts answers together and gives them to the requests in their order. Lives on its event loop.
private final class AnswerCollector: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    var waiting = CircularBuffer<EventLoopPromise<TestResponse>>()
    /// The server has said `Connection: close`; a request after that would not be read (RFC 9112, section 9.6).
    var isLast = false
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            self.body = []
        case .body(let buffer):
            self.body += Array(buffer.readableBytesView)
        case .end:
            guard let head = self.head, !self.waiting.isEmpty else { return }
            self.head = nil
            // 1xx is a word in between.
            guard head.status.code >= 200 else { return }
            self.isLast = !head.isKeepAlive
            self.waiting.removeFirst().succeed(
                TestResponse(status: Int(head.status.code), headers: head.headers, body: self.body))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        while !self.waiting.isEmpty {
            self.waiting.removeFirst().fail(ConnectionLost(requestSent: true, received: self.body))
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
