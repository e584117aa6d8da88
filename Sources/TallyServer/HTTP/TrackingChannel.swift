import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOSSL
import TallyAccess
import TallyTrack

/// A connection: TLS where there is a certificate, decoder, then `TrackHandler`, which answers /track on the event loop, then what Hummingbird needs for
/// everything else.
///
/// `TrackHandler` stands before the conversion to Hummingbird's types, so a tracked request pays for neither that nor
/// for a task.
struct TrackingChannel: ServerChildChannel, HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    let loops: TrackLoops
    let access: AccessRule
    /// Nil for plain HTTP.
    let certificate: TLSCertificate?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let certificate = self.certificate {
                try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context))
            }
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = 16 * 1024
            limits.maxHeaderListSize = 32 * 1024
            limits.maxHeaderFieldCount = 100
            let track = TrackHandler(loops: self.loops, eventLoop: channel.eventLoop, access: self.access)
            try pipeline.addHandler(
                ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)))
            try pipeline.addHandler(track)
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(RoutedResponseTap(for: track))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: nil, logger: logger))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await self.handleHTTP(asyncChannel: value, logger: logger)
    }
}
