public import NIOCore

/// The only handler of a connection that is one too many: says so with 503, and closes.
///
/// Closing while the caller's bytes lie unread would reset the connection and could take the answer with it. So what
/// comes is thrown away for a moment, where not too many do that already.
public final class RefusedConnection: ChannelInboundHandler, RemovableChannelHandler {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    static let lingersFor: TimeAmount = .seconds(1)

    private let loop: TrackLoop
    private let connections: Connections
    private let isEncrypted: Bool

    /// To be made on the event loop of the connection.
    /// - Parameter isEncrypted: the answer can go out only after a handshake, which may never come.
    public init(loops: TrackLoops, connections: Connections, eventLoop: any EventLoop, isEncrypted: Bool) {
        self.isEncrypted = isEncrypted
        self.loop = loops.current(on: eventLoop)
        self.connections = connections
    }

    public func channelActive(context: ChannelHandlerContext) {
        self.loop.logRefusal(
            .tooManyConnections, address: context.remoteAddress?.ipAddress ?? "an unknown address", requestID: nil)
        let lingers = self.connections.linger(context.channel)
        guard lingers || !self.isEncrypted else { return context.close(promise: nil) }
        let channel = context.channel
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingersFor) { channel.close(promise: nil) }
        let bytes = self.loop.responses.bytes(.problem(.tooManyConnections), keepAlive: false, isHTTP10: false)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(bytes)).whenComplete { _ in
            let context = bound.value
            guard lingers else { return context.close(promise: nil) }
            context.close(mode: .output, promise: nil)
        }
        context.fireChannelActive()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
