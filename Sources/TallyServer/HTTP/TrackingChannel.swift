#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
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

/// A connection: one place among `MAX_CONNECTIONS`; TLS where there is a certificate; decoder, then `TrackHandler`, which
/// answers /track on the event loop, then what Hummingbird needs for everything else.
///
/// `TrackHandler` stands before the conversion to Hummingbird's types, so a tracked request pays for neither that nor
/// for a task.
struct TrackingChannel: ServerChildChannel, HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    let loops: TrackLoops
    let connections: Connections
    let access: AccessRule
    /// Nil for plain HTTP.
    let certificate: TLSCertificate?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try Self.boundMemory(of: channel)
            if let certificate = self.certificate {
                try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context))
            }
            guard self.connections.admit(channel) else {
                try pipeline.addHandler(
                    RefusedConnection(
                        loops: self.loops, connections: self.connections, eventLoop: channel.eventLoop,
                        isEncrypted: self.certificate != nil))
                return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
            }
            let track = TrackHandler(
                loops: self.loops, connections: self.connections, eventLoop: channel.eventLoop, access: self.access)
            try pipeline.addHandler(RequestDecoder(for: track))
            try pipeline.addHandler(track)
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(RoutedResponseTap(for: track))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: nil, logger: logger))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    /// A connection takes this much of the process and of the kernel, whatever its caller does.
    ///
    /// What one read brings is answered before the next, and every connection has its turn: 2 KiB are some 40 of the
    /// smallest requests, where NIO's four times 64 KiB would be 5,000. What a caller does not take of its answers waits
    /// here and in the kernel up to a few KiB, then nothing more is read from it; by themselves the kernel's buffers would
    /// grow to megabytes, both ways. What is under way to a caller who reads is not bounded by this, so it costs no speed.
    private static func boundMemory(of channel: any Channel) throws {
        guard let options = channel.syncOptions else { return }
        try options.setOption(.maxMessagesPerRead, value: 1)
        try options.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2 * 1024))
        try options.setOption(.socketOption(.so_rcvbuf), value: 64 * 1024)
        try options.setOption(.tcpOption(.init(rawValue: TCP_NOTSENT_LOWAT)), value: 8 * 1024)
        try options.setOption(.writeBufferWaterMark, value: .init(low: 4 * 1024, high: 8 * 1024))
    }

    func handle(value: Value, logger: Logger) async {
        await self.handleHTTP(asyncChannel: value, logger: logger)
    }
}
