public import NIOCore
import NIOPosix

/// A TCP connection as bytes out and bytes in, for protocols that a test speaks by hand.
public final class ByteConnection: Sendable {
    private let channel: any Channel
    /// Kept here since a pipeline drops its handlers when the channel closes, and what came before is still wanted.
    private let collector: NIOLoopBoundBox<ByteCollector>

    /// Connects to a port of this machine.
    /// - Throws: the connection's error, such as a refusal.
    public static func connect(port: Int, within limit: Duration = .seconds(5)) async throws -> ByteConnection {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let collector = NIOLoopBoundBox.makeBoxSendingValue(ByteCollector(), eventLoop: eventLoop)
        let channel = try await ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(limit))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(collector.value)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return ByteConnection(channel: channel, collector: collector)
    }

    static func canConnect(port: Int) async throws -> Bool {
        let connection = try await self.connect(port: port, within: .seconds(1))
        await connection.close()
        return true
    }

    private init(channel: any Channel, collector: NIOLoopBoundBox<ByteCollector>) {
        self.channel = channel
        self.collector = collector
    }

    deinit { self.channel.close(promise: nil) }

    public var isOpen: Bool { self.channel.isActive }

    /// Writes bytes, and waits until the kernel has them.
    public func send(_ bytes: [UInt8]) async throws {
        try await self.channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    /// Says that no more bytes will come from here.
    public func finishSending() async throws { try await self.channel.close(mode: .output).get() }

    /// Waits until `parse` makes something of the bytes that came so far.
    ///
    /// - Parameter parse: takes what it can use from the buffer; nil asks for more bytes, and must then leave the reader
    ///   index alone.
    /// - Throws: what `parse` throws, `ConnectionLost` where the connection ends first, `TestSupportError` where the time is
    ///   over.
    public func receive<Value: Sendable>(
        within limit: Duration = .seconds(10), _ parse: @escaping @Sendable (inout ByteBuffer) throws -> Value?
    ) async throws -> Value {
        try await self.wait(within: limit) { buffer, isClosed in
            if let value = try parse(&buffer) { return value }
            if isClosed { throw ConnectionLost(requestSent: true, received: Array(buffer.readableBytesView)) }
            return nil
        }
    }

    /// Everything until the other side closes.
    /// - Throws: `TestSupportError` where it does not close in time; its text holds what came.
    public func receiveUntilClosed(within limit: Duration = .seconds(10)) async throws -> [UInt8] {
        try await self.wait(within: limit) { buffer, isClosed in
            isClosed ? buffer.readBytes(length: buffer.readableBytes) ?? [] : nil
        }
    }

    public func close() async { try? await self.channel.close().get() }

    private func wait<Value: Sendable>(
        within limit: Duration, _ look: @escaping @Sendable (inout ByteBuffer, Bool) throws -> Value?
    ) async throws -> Value {
        let eventLoop = self.channel.eventLoop
        let collector = self.collector
        return try await eventLoop.flatSubmit { () -> EventLoopFuture<Value> in
            let promise = eventLoop.makePromise(of: Value.self)
            let timeout = eventLoop.scheduleTask(in: TimeAmount(limit)) {
                let came = collector.value.giveUp()
                promise.fail(TestSupportError("no answer within \(limit); so far came: \(came)"))
            }
            collector.value.wait { buffer, isClosed in
                do {
                    guard let value = try look(&buffer, isClosed) else { return false }
                    promise.succeed(value)
                } catch {
                    promise.fail(error)
                }
                timeout.cancel()
                return true
            }
            return promise.futureResult
        }.get()
    }
}

/// Gathers what comes, and shows it to whoever waits. Lives on its event loop.
private final class ByteCollector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var buffer = ByteBuffer()
    private var isClosed = false
    private var waiter: ((inout ByteBuffer, Bool) -> Bool)?

    func wait(_ waiter: @escaping (inout ByteBuffer, Bool) -> Bool) {
        precondition(self.waiter == nil, "one reader at a time")
        self.waiter = waiter
        self.look()
    }

    func giveUp() -> String {
        self.waiter = nil
        return String(buffer: self.buffer)
    }

    private func look() {
        if let waiter = self.waiter, waiter(&self.buffer, self.isClosed) { self.waiter = nil }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.buffer.writeBuffer(&bytes)
        self.look()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            self.isClosed = true
            self.look()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.isClosed = true
        self.look()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
