import DequeModule
import Logging
public import NIOCore
public import NIOHTTP1
public import TallyAccess
import TallyCore

/// Answers /track on the event loop, in front of the router; every other request passes through to it.
///
/// Sits between the HTTP decoder and the HTTP encoder: requests come in decoded, answers go out as bytes that are kept
/// ready. Answers leave in the order of the requests: while the router works on one, later requests wait here, and the
/// other way round.
///
/// One for each connection, on its event loop; all state is plain.
public final class TrackHandler: ChannelDuplexHandler, RemovableChannelHandler {
    public typealias InboundIn = HTTPServerRequestPart
    public typealias InboundOut = HTTPServerRequestPart
    public typealias OutboundIn = IOData
    public typealias OutboundOut = ByteBuffer

    /// The largest body, in bytes (CONTRACT: 413 over 1 MiB).
    public static let maximumBodyBytes = TrackParser.maximumBodyBytes
    /// How long a connection stays open for a request that is on its way, after the service was told to stop.
    static let lastRequestWithin: TimeAmount = .seconds(1)
    /// How long the rest of a request is read and thrown away, so that its sender gets to read the answer.
    static let drainWithin: TimeAmount = .seconds(2)

    /// What the parts that come in belong to.
    private enum Reading {
        case nothing
        case tracked(Incoming)
        /// A request that has its answer; the rest of it is thrown away.
        case discarded
        case routed
    }

    /// A request to /track that is still being read.
    private struct Incoming {
        let head: HTTPRequestHead
        var body: ByteBuffer?
    }

    private let loop: TrackLoop
    private let access: AccessRule
    private var context: ChannelHandlerContext?
    private var peer: IPAddress?
    /// The decision about the peer itself, where no forwarded address can change it.
    private var peerDecision: AccessRule.Decision?

    private var reading = Reading.nothing
    private var requests = RequestQueue()
    /// The router has a request that it has not answered yet.
    private var isRouting = false
    /// Parts of requests that must wait for the answers before them.
    private var held: Deque<HTTPServerRequestPart> = []
    private var isReadHeld = false
    /// Parts were given to the router since the last read ended.
    private var hasPassedOn = false
    /// The last answer says that the connection closes.
    private var isClosing = false
    private var isQuiescing = false
    private var heldClose: (mode: CloseMode, promise: EventLoopPromise<Void>?)?

    /// To be made on the event loop of the connection.
    public init(loops: TrackLoops, eventLoop: any EventLoop, access: AccessRule) {
        self.loop = loops.current(on: eventLoop)
        self.access = access
    }

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.peer = context.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
        if let peer = self.peer, !self.access.resolver.trustedProxies.contains(peer) {
            self.peerDecision = self.access.decide(peer: peer, forwardedFor: [String]())
        }
    }

    public func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    public func channelInactive(context: ChannelHandlerContext) {
        // Whoever waited is gone; what was sent is counted all the same.
        self.requests.removeAll()
        self.held.removeAll()
        self.context = nil
        context.fireChannelInactive()
    }

    // MARK: Coming in

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = self.unwrapInboundIn(data)
        if self.held.isEmpty, self.take(part, context: context) { return }
        self.held.append(part)
    }

    /// The router looks at what it was given when a read is over; after a read that was all /track it need not.
    public func channelReadComplete(context: ChannelHandlerContext) {
        if self.hasPassedOn {
            self.hasPassedOn = false
            context.fireChannelReadComplete()
        } else if !self.holdsReads {
            // The next read would be asked for from the pipeline's end, through every handler of the router's.
            context.read()
        }
    }

    /// Takes a part, or says that it must wait.
    private func take(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) -> Bool {
        switch part {
        case .head(let head): return self.take(head, context: context)
        case .body(let bytes):
            switch self.reading {
            case .tracked(var incoming):
                self.reading = .nothing  // so that the body is not copied when it grows
                self.append(bytes, to: &incoming)
            case .routed: self.passOn(part, context: context)
            case .discarded, .nothing: break
            }
        case .end:
            switch self.reading {
            case .tracked(let incoming):
                self.reading = .nothing
                self.track(incoming)
            case .routed:
                self.reading = .nothing
                self.passOn(part, context: context)
            case .discarded:
                self.reading = .nothing
                if self.isClosing && self.requests.isEmpty { context.close(promise: nil) }
            case .nothing: break
            }
        }
        return true
    }

    private func passOn(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
        self.hasPassedOn = true
        context.fireChannelRead(self.wrapInboundOut(part))
    }

    private func take(_ original: HTTPRequestHead, context: ChannelHandlerContext) -> Bool {
        if self.isClosing {
            self.reading = .discarded
            return true
        }
        guard !self.isRouting else { return false }
        var head = original
        if head.uri.utf8.first != UInt8(ascii: "/") { head.uri = RequestTarget.originForm(head.uri) }
        var uri = head.uri
        guard uri.withUTF8({ RequestTarget.queryStart(UnsafeRawBufferPointer($0)) }) != nil else {
            guard self.requests.isEmpty else { return false }
            self.isRouting = true
            self.reading = .routed
            self.passOn(.head(head), context: context)
            return true
        }
        self.begin(head, context: context)
        return true
    }

    /// Begins a request to /track.
    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        if head.method == .GET {
            self.reading = .tracked(Incoming(head: head))
            return
        }
        if head.method == .POST {
            if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
                length > Self.maximumBodyBytes
            {
                self.refuseUnread(.tooLarge, head)
                return
            }
            if self.requests.isEmpty, head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                context.writeAndFlush(
                    self.wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
            }
        }
        self.reading = .tracked(Incoming(head: head))
    }

    private func append(_ bytes: ByteBuffer, to incoming: inout Incoming) {
        // Only POST has a body that means anything; what others send is read and thrown away.
        if incoming.head.method == .POST {
            var bytes = bytes
            if incoming.body?.writeBuffer(&bytes) == nil { incoming.body = bytes }
            if let size = incoming.body?.readableBytes, size > Self.maximumBodyBytes {
                return self.refuseUnread(.tooLarge, incoming.head)
            }
        }
        self.reading = .tracked(incoming)
    }

    /// Answers before the request has been read, and throws the rest of it away. The connection closes then.
    private func refuseUnread(_ problem: Problem, _ head: HTTPRequestHead) {
        let request = self.requests.append(keepAlive: false, isHTTP10: head.version.minor == 0)
        self.reading = .discarded
        self.refuse(request, problem, address: self.peer?.description ?? "an unknown address")
        guard let context = self.context else { return }
        let channel = context.channel
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.drainWithin) { channel.close(promise: nil) }
    }

    // MARK: Tracking

    private func track(_ incoming: Incoming) {
        let head = incoming.head
        let request = self.requests.append(
            keepAlive: head.isKeepAlive && !self.isQuiescing,
            isHTTP10: head.version.major == 1 && head.version.minor == 0)
        let decision = self.decide(head)
        guard case .allowed(let address) = decision else {
            let detail = decision.refusal.map { "\($0) (TRACK_ALLOWED_IPS)" } ?? "not allowed"
            return self.refuse(request, Problem(status: 403, detail: detail), address: decision.seen)
        }
        switch head.method {
        case .GET, .POST: break
        case .HEAD: return self.answer(request, .head)
        case .OPTIONS: return self.answer(request, .options)
        default:
            let problem = Problem(
                status: 405, detail: "/track takes GET and POST, not \(head.method.rawValue.prefix(32))",
                allow: ResponseCache.methods)
            return self.refuse(request, problem, address: address.description)
        }
        do {
            let shape = try self.parse(incoming)
            switch self.loop.submit(shape, from: self, request: request) {
            case .waiting:
                if self.loop.logsEachRequest { self.logTracked(shape, address: address) }
            case .overloaded: self.refuse(request, .overloaded, address: address.description)
            case .bufferAway:
                self.refuse(request, .notCounted("the buffer cannot be reached"), address: address.description)
            }
        } catch {
            self.refuse(request, error, address: address.description)
        }
    }

    /// Parses a request into the loop's parser.
    private func parse(_ incoming: Incoming) throws(Problem) -> TrackShape {
        var uri = incoming.head.uri
        let result: Result<TrackShape, Problem> = uri.withUTF8 { target in
            let target = UnsafeRawBufferPointer(target)
            guard let start = RequestTarget.queryStart(target) else { preconditionFailure("only /track comes here") }
            let query = UnsafeRawBufferPointer(rebasing: target[start...])
            guard let body = incoming.body, body.readableBytes > 0 else { return self.parse(query, body: nil) }
            let type = incoming.head.headers.first(name: "content-type")
            guard let content = type.flatMap({ TrackContentType(headerValue: $0) }) else {
                return .failure(Problem(status: 415, detail: Self.unknownType(type)))
            }
            return body.withUnsafeReadableBytes { bytes in
                switch content {
                case .form: self.parse(query, body: .form(bytes))
                case .json: self.parse(query, body: .json(bytes))
                case .ndjson: self.parse(query, body: .ndjson(bytes))
                }
            }
        }
        return try result.get()
    }

    @inline(__always)
    private func parse(_ query: UnsafeRawBufferPointer, body: TrackBody?) -> Result<TrackShape, Problem> {
        do {
            return .success(try self.loop.parser.parse(query: query, body: body))
        } catch {
            return .failure(Problem(error))
        }
    }

    private static func unknownType(_ type: String?) -> String {
        let taken =
            "application/x-www-form-urlencoded, application/json, application/x-ndjson, or text/plain with JSON inside, all in UTF-8"
        guard let type else { return "the body has no Content-Type; /track takes \(taken)" }
        let shown = type.unicodeScalars.prefix(64).filter { $0.isASCII && $0.value >= 0x20 && $0.value < 0x7F }
        return "the Content-Type \(String(String.UnicodeScalarView(shown))) is not known here; /track takes \(taken)"
    }

    private func decide(_ head: HTTPRequestHead) -> AccessRule.Decision {
        if let decision = self.peerDecision { return decision }
        guard let peer = self.peer else { return .malformed(entry: "no address") }
        return self.access.decide(peer: peer, forwardedFor: head.headers["x-forwarded-for"])
    }

    private func logTracked(_ shape: TrackShape, address: IPAddress) {
        var metadata: Logger.Metadata = ["address": "\(address)"]
        switch shape {
        case .single:
            if let names = CounterField.unpack(self.loop.parser.field(0)) {
                metadata["client"] = "\(names.client)"
                metadata["test"] = "\(names.test)"
                metadata["variation"] = "\(names.variation)"
                metadata["event"] = "\(names.event)"
            }
        case .batch(let accepted):
            metadata["items"] = "\(self.loop.parser.items.count)"
            metadata["counts"] = "\(accepted)"
        }
        self.loop.logger.debug("tracked", metadata: metadata)
    }

    // MARK: Going out

    private func refuse(_ request: Int, _ problem: Problem, address: String) {
        self.loop.logRefusal(problem, address: address)
        self.answer(request, .problem(problem))
    }

    /// Answers a request; the answer goes out when those before it have.
    func answer(_ request: Int, _ response: TrackResponse) {
        guard let context = self.context else { return }
        guard let entry = self.requests.popFirst(if: request) else {
            return self.requests.answer(request, response)
        }
        var mayFollow = self.write(response, entry, context: context)
        while mayFollow, let (entry, response) = self.requests.popAnswered() {
            mayFollow = self.write(response, entry, context: context)
        }
        guard mayFollow else { return }
        context.flush()
        if self.requests.isEmpty { self.release(context: context) }
    }

    /// Writes an answer. Returns false where it was the connection's last.
    private func write(_ response: TrackResponse, _ entry: RequestQueue.Entry, context: ChannelHandlerContext) -> Bool {
        guard entry.keepAlive && !self.isQuiescing else {
            self.writeLast(response, entry, context: context)
            return false
        }
        if case .counted = response, !entry.isHTTP10 {
            context.write(self.wrapOutboundOut(self.loop.responses.counted), promise: nil)
        } else {
            let bytes = self.loop.responses.bytes(response, keepAlive: true, isHTTP10: entry.isHTTP10)
            context.write(self.wrapOutboundOut(bytes), promise: nil)
        }
        return true
    }

    private func writeLast(_ response: TrackResponse, _ entry: RequestQueue.Entry, context: ChannelHandlerContext) {
        self.isClosing = true
        self.requests.removeAll()
        self.held.removeAll()
        let bytes = self.loop.responses.bytes(response, keepAlive: false, isHTTP10: entry.isHTTP10)
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: written)
        // With bytes still coming in, closing now would reset the connection and could take the answer with it.
        if case .discarded = self.reading { return }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
    }

    /// Called when the router's answer has gone out.
    func routedResponseEnded() {
        self.isRouting = false
        guard let context = self.context else { return }
        self.release(context: context)
    }

    /// All that came before is answered: takes what had to wait.
    private func release(context: ChannelHandlerContext) {
        // `take` may answer at once and so come here again, and then goes on with the part that follows.
        while let part = self.held.popFirst() {
            guard self.take(part, context: context) else {
                self.held.prepend(part)
                break
            }
        }
        // What was passed on now came outside of a read; the router looks at it when the read is over.
        if self.hasPassedOn {
            self.hasPassedOn = false
            context.fireChannelReadComplete()
        }
        if self.isReadHeld && !self.holdsReads {
            self.isReadHeld = false
            context.read()
        }
        if let close = self.heldClose, self.requests.isEmpty, !self.isRouting {
            self.heldClose = nil
            context.close(mode: close.mode, promise: close.promise)
        }
    }

    private var holdsReads: Bool { !self.held.isEmpty || self.requests.count >= RequestQueue.maximum }

    public func read(context: ChannelHandlerContext) {
        if self.holdsReads {
            self.isReadHeld = true
        } else {
            context.read()
        }
    }

    /// The router's side closes when a client has sent its last byte; answers that are still due go first.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input && !self.requests.isEmpty && !self.isClosing {
            self.heldClose = (mode, promise)
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    // MARK: Ending

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent else { return context.fireUserInboundEventTriggered(event) }
        // From now on answers say that the connection closes. One that is idle stays a moment longer: a request may be
        // on its way that its sender would otherwise never hear of.
        self.isQuiescing = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.lastRequestWithin) {
            let (handler, context) = bound.value
            guard handler.context != nil else { return }
            if handler.requests.isEmpty {
                context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
            // Otherwise the answer that is due closes the connection.
        }
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !self.isRouting, !self.isClosing else { return context.fireErrorCaught(error) }
        // Nothing that follows on this connection can be understood, so this is its last answer.
        let request = self.requests.append(keepAlive: false, isHTTP10: false)
        self.reading = .nothing
        self.refuse(
            request, Problem(status: 400, detail: "this is not HTTP as it should be: \(error)"),
            address: self.peer?.description ?? "an unknown address")
    }
}

extension AccessRule.Decision {
    /// The address for the log.
    var seen: String {
        switch self {
        case .allowed(let address), .denied(let address): address.description
        case .malformed: "unclear"
        }
    }
}

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
