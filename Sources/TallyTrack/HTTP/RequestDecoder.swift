public import NIOCore
public import NIOHTTP1

/// The HTTP decoder with this service's limits, which also tells `TrackHandler` that bytes came: a head that never ends
/// gives no other sign.
///
/// The parser behind it (llhttp, without any of its leniencies) refuses what could be read in two ways: a second
/// Content-Length, one beside Transfer-Encoding, a bare LF, folded fields, blanks before a colon. What is not a matter
/// of form stands in `RequestRules`.
public final class RequestDecoder: ByteToMessageDecoder {
    public typealias InboundOut = HTTPServerRequestPart

    /// Bytes that the parser cannot pass on yet: a field, which has a bound of its own; or what follows an upgrade, which
    /// nobody will read.
    public static let maximumBufferBytes = 64 * 1024

    private let decoder: HTTPRequestDecoder
    private let handler: TrackHandler

    public init(for handler: TrackHandler) {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 * 1024
        limits.maxHeaderListSize = 32 * 1024
        limits.maxHeaderFieldCount = 100
        self.decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        self.handler = handler
    }

    public func decoderAdded(context: ChannelHandlerContext) { self.decoder.decoderAdded(context: context) }

    public func decoderRemoved(context: ChannelHandlerContext) { self.decoder.decoderRemoved(context: context) }

    public func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        self.handler.bytesCame()
        return try self.decoder.decode(context: context, buffer: &buffer)
    }

    public func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try self.decoder.decodeLast(context: context, buffer: &buffer, seenEOF: seenEOF)
    }
}
