public import NIOCore
public import NIOHTTP1

/// Tells `TrackHandler` when the router has answered. Sits behind the encoder, where responses still have parts.
public final class RoutedResponseTap: ChannelOutboundHandler, RemovableChannelHandler {
    public typealias OutboundIn = HTTPServerResponsePart
    public typealias OutboundOut = HTTPServerResponsePart

    private let handler: TrackHandler

    public init(for handler: TrackHandler) { self.handler = handler }

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = self.unwrapOutboundIn(data)
        context.write(data, promise: promise)
        if case .end = part {
            context.flush()
            self.handler.routedResponseEnded()
        }
    }
}
