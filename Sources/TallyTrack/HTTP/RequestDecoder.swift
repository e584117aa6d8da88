public import NIOCore
public import NIOHTTP1

/// Gives the bytes of a connection to the HTTP decoder, with this service's limits, and tells `TrackHandler` that bytes
/// came: a head that never ends gives no other sign.
///
/// The parser behind it (llhttp, without any of its leniencies) refuses what could be read in two ways: a second
/// Content-Length, one beside Transfer-Encoding, a bare LF, folded fields, blanks before a colon. What is not a matter
/// of form stands in `RequestRules`.
///
/// In the place of NIO's `ByteToMessageHandler`, which serves decoders of every kind and costs a request a twelfth of
/// its instructions: this decoder is never removed from its pipeline, observes no writes, and takes all bytes at once
/// but those of a field that has only begun.
public final class RequestDecoder: ChannelInboundHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = HTTPServerRequestPart

    /// Bytes that the parser cannot pass on yet: a field, which has a bound of its own; or what follows an upgrade, which
    /// nobody will read.
    static let maximumBufferBytes = 64 * 1024

    private let decoder: HTTPRequestDecoder
    private let handler: TrackHandler
    /// Bytes of a field whose end has not come.
    private var begun: ByteBuffer?
    private var state = State.open

    private enum State {
        case open
        /// The parser is at work, and must not be called meanwhile.
        case decoding
        /// The caller has sent its last byte, the connection was closed, or what came cannot be understood.
        case over
    }

    public init(for handler: TrackHandler) {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 * 1024
        limits.maxHeaderListSize = 32 * 1024
        limits.maxHeaderFieldCount = 100
        self.decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        self.handler = handler
    }

    public func handlerAdded(context: ChannelHandlerContext) { self.decoder.decoderAdded(context: context) }

    public func handlerRemoved(context: ChannelHandlerContext) {
        self.state = .over
        self.decoder.decoderRemoved(context: context)
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .open: break
        case .decoding:
            // Nobody gives bytes in the middle of bytes. If somebody did, it would be unclear which come first.
            self.state = .over
            return context.fireErrorCaught(HTTPParserError.invalidInternalState)
        case .over: return
        }
        var bytes = self.unwrapInboundIn(data)
        if var begun = self.begun {
            self.begun = nil  // so that it is not copied when it grows
            begun.writeBuffer(&bytes)
            bytes = begun
        }
        self.handler.bytesCame()
        self.state = .decoding
        do {
            _ = try self.decoder.decode(context: context, buffer: &bytes)
            if bytes.readableBytes > 0 { try self.keep(bytes) }
        } catch {
            self.state = .over
            return context.fireErrorCaught(error)
        }
        // An answer to what was passed on may have closed the connection.
        if self.state == .decoding { self.state = .open }
    }

    private func keep(_ bytes: ByteBuffer) throws {
        guard bytes.readableBytes <= Self.maximumBufferBytes else {
            throw ByteToMessageDecoderError.PayloadTooLargeError()
        }
        var begun = bytes
        // Otherwise all that was read stays, where read after read ends in the middle of a field.
        begun.discardReadBytes()
        self.begun = begun
    }

    public func channelInactive(context: ChannelHandlerContext) {
        self.callerEnded(context: context)
        context.fireChannelInactive()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { self.callerEnded(context: context) }
        context.fireUserInboundEventTriggered(event)
    }

    /// A request that has only begun is one that cannot be understood.
    private func callerEnded(context: ChannelHandlerContext) {
        let wasOpen = self.state == .open
        self.state = .over
        guard wasOpen else { return }
        var bytes = self.begun ?? ByteBuffer()
        self.begun = nil
        do {
            _ = try self.decoder.decodeLast(context: context, buffer: &bytes, seenEOF: true)
        } catch {
            context.fireErrorCaught(error)
        }
    }
}
