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

    /// What the parts that come in belong to.
    private enum Reading {
        case nothing
        case tracked(Incoming)
        /// A request that has its answer; the rest of it is thrown away.
        case discarded
        case routed
    }

    /// A request to /track that is still being read.
    struct Incoming {
        let head: HTTPRequestHead
        let requestID: String?
        var body: ByteBuffer?
    }

    let loop: TrackLoop
    let access: AccessRule
    private var context: ChannelHandlerContext?
    private(set) var peer: IPAddress?
    /// The decision about the peer itself, where no forwarded address can change it.
    private(set) var peerDecision: AccessRule.Decision?

    private var reading = Reading.nothing
    private var requests = RequestQueue()
    /// The router has a request that it has not answered yet.
    private var isRouting = false
    /// Parts of requests that must wait for the answers before them.
    private var held: Deque<HTTPServerRequestPart> = []
    private var isReadHeld = false
    /// The caller reads what is written to it. While it does not, nothing is read from it either.
    private var isWritable = true
    /// Between the first part of a read and its end. Answers that are known at once go out together then.
    private var isReading = false
    private var hasUnflushed = false
    /// Parts were given to the router since the last read ended.
    private var hasPassedOn = false
    /// The connection's last request has come; what follows it is not read.
    private var isEnding = false
    /// The last answer says that the connection closes.
    private var isClosing = false
    private var isQuiescing = false
    private var heldClose: (mode: CloseMode, promise: EventLoopPromise<Void>?)?

    private let connections: LoopConnections
    private var watch: ConnectionWatch
    /// Where `connections` keeps this one; nil when it is gone.
    var place: Int?

    /// To be made on the event loop of the connection.
    public init(loops: TrackLoops, connections: Connections, eventLoop: any EventLoop, access: AccessRule) {
        self.loop = loops.current(on: eventLoop)
        self.connections = connections.current(on: eventLoop)
        self.watch = ConnectionWatch(now: self.connections.now)
        self.access = access
    }

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.place = self.connections.add(self)
        self.peer = context.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
        if let peer = self.peer, !self.access.resolver.trustedProxies.contains(peer) {
            self.peerDecision = self.access.decide(peer: peer, forwardedFor: [String]())
        }
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.leave()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        // Whoever waited is gone; what was sent is counted all the same.
        self.requests.removeAll()
        self.held.removeAll()
        self.context = nil
        self.leave()
        context.fireChannelInactive()
    }

    private func leave() {
        guard let place = self.place else { return }
        self.place = nil
        self.connections.remove(at: place)
    }

    // MARK: Waiting

    /// The decoder was given bytes.
    @inline(__always)
    func bytesCame() { self.watch.bytesCame(now: self.connections.now) }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        self.watch.writabilityChanged(to: self.isWritable, now: self.connections.now)
        self.readAgain(context: context)
        context.fireChannelWritabilityChanged()
    }

    /// Four times a second: closes what waits for too long.
    func look() {
        guard let context = self.context else { return }
        var isRoutedRead = false
        if case .routed = self.reading { isRoutedRead = true }
        let verdict = self.watch.verdict(
            now: self.connections.now, limits: self.connections.limits,
            owesAnswer: !self.requests.isEmpty || (self.isRouting && !isRoutedRead), isRouting: self.isRouting)
        switch verdict {
        case .fine: break
        // The router may be writing its answer already; another one in the middle of it would only mislead.
        case .requestLate where isRoutedRead: context.close(promise: nil)
        case .requestLate: self.refuseUnread(.late, isHTTP10: false)
        case .idle, .unread, .drained: context.close(promise: nil)
        }
    }

    // MARK: Coming in

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = self.unwrapInboundIn(data)
        self.isReading = true
        if case .end = part { self.watch.requestEnded() }
        if self.held.isEmpty, self.take(part, context: context) { return }
        self.held.append(part)
    }

    /// The router looks at what it was given when a read is over; after a read that was all /track it need not.
    public func channelReadComplete(context: ChannelHandlerContext) {
        self.isReading = false
        if self.hasUnflushed {
            self.hasUnflushed = false
            context.flush()
        }
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
        if self.isEnding {
            self.reading = .discarded
            return true
        }
        guard !self.isRouting else { return false }
        var head = original
        var requestID: String?
        switch RequestRules.finding(head, requestID: &requestID) {
        case .good: break
        case .faulty(let reason):
            self.refuseUnread(.malformed(reason), isHTTP10: head.version.minor == 0)
            return true
        case .last: head.headers.replaceOrAdd(name: "Connection", value: "close")
        }
        if head.uri.utf8.first != UInt8(ascii: "/") { head.uri = RequestTarget.originForm(head.uri) }
        var uri = head.uri
        guard uri.withUTF8({ RequestTarget.queryStart(UnsafeRawBufferPointer($0)) }) != nil else {
            guard self.requests.isEmpty else { return false }
            if !head.isKeepAlive { self.isEnding = true }
            self.isRouting = true
            self.reading = .routed
            self.passOn(.head(head), context: context)
            return true
        }
        self.begin(head, requestID, context: context)
        return true
    }

    /// Begins a request to /track.
    private func begin(_ head: HTTPRequestHead, _ requestID: String?, context: ChannelHandlerContext) {
        if head.method == .GET {
            self.reading = .tracked(Incoming(head: head, requestID: requestID))
            return
        }
        if head.method == .POST {
            if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }),
                length > Self.maximumBodyBytes
            {
                self.refuseUnread(.tooLarge, isHTTP10: head.version.minor == 0)
                return
            }
            if self.requests.isEmpty, head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                context.writeAndFlush(
                    self.wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
            }
        }
        self.reading = .tracked(Incoming(head: head, requestID: requestID))
    }

    private func append(_ bytes: ByteBuffer, to incoming: inout Incoming) {
        // Only POST has a body that means anything; what others send is read and thrown away.
        if incoming.head.method == .POST {
            var bytes = bytes
            if incoming.body?.writeBuffer(&bytes) == nil { incoming.body = bytes }
            if let size = incoming.body?.readableBytes, size > Self.maximumBodyBytes {
                return self.refuseUnread(.tooLarge, isHTTP10: incoming.head.version.minor == 0)
            }
        }
        self.reading = .tracked(incoming)
    }

    /// Answers before the request has been read, and throws the rest of it away. The connection closes then.
    private func refuseUnread(_ problem: Problem, isHTTP10: Bool) {
        let request = self.requests.append(keepAlive: false, isHTTP10: isHTTP10, note: nil)
        self.isEnding = true
        self.reading = .discarded
        self.refuse(request, problem, address: self.peer?.description ?? "an unknown address")
    }

    // MARK: Tracking

    private func track(_ incoming: Incoming) {
        let head = incoming.head
        let keepAlive = head.isKeepAlive && !self.isQuiescing
        if !keepAlive { self.isEnding = true }
        let decision = self.decide(head)
        let request = self.requests.append(
            keepAlive: keepAlive, isHTTP10: head.version.major == 1 && head.version.minor == 0,
            note: self.note(head, incoming.requestID, decision))
        guard case .allowed(let address) = decision else {
            let detail = decision.refusal.map { "\($0) (TRACK_ALLOWED_IPS)" } ?? "not allowed"
            let problem = Problem(status: 403, detail: detail)
            guard head.method != .HEAD else {
                self.logRefusal(request, problem, address: decision.seen)
                return self.answer(request, .problemToHead(problem))
            }
            return self.refuse(request, problem, address: decision.seen)
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
                if self.loop.logsEachRequest { self.logTracked(shape, address: address, incoming.requestID) }
            case .overloaded:
                self.loop.logRefusal(
                    .overloaded, address: address.description, requestID: RequestID.sane(incoming.requestID))
                self.answer(request, .overloaded)
            case .bufferAway:
                self.refuse(request, .notCounted("the buffer cannot be reached"), address: address.description)
            }
        } catch {
            self.refuse(request, error, address: address.description)
        }
    }

    // MARK: Going out

    private func refuse(_ request: Int, _ problem: Problem, address: String) {
        self.logRefusal(request, problem, address: address)
        self.answer(request, .problem(problem))
    }

    private func logRefusal(_ request: Int, _ problem: Problem, address: String) {
        let note = self.requests.note(request) { RequestNote(id: RequestID.made()) }
        self.loop.logRefusal(problem, address: address, requestID: note.id)
    }

    /// What is to be remembered of a request: nothing, unless the caller calls it something or it is one for the access
    /// log.
    @inline(__always)
    private func note(
        _ head: HTTPRequestHead, _ given: String?, _ decision: AccessRule.Decision
    ) -> RequestNote? {
        guard given != nil || self.loop.accessLog != nil else { return nil }
        let sane = RequestID.sane(given)
        guard let log = self.loop.accessLog, log.takesNext() else { return sane.map { RequestNote(id: $0) } }
        return RequestNote(
            id: sane ?? RequestID.made(),
            logged: (log, decision.seen, String(head.method.rawValue.prefix(32)), .now()))
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
        if self.isReading { self.hasUnflushed = true } else { context.flush() }
        if self.requests.isEmpty { self.release(context: context) }
    }

    /// Writes an answer. Returns false where it was the connection's last.
    private func write(_ response: TrackResponse, _ entry: RequestQueue.Entry, context: ChannelHandlerContext) -> Bool {
        self.watch.answered(now: self.connections.now)
        guard entry.keepAlive && !self.isQuiescing else {
            self.writeLast(response, entry, context: context)
            return false
        }
        if let note = entry.note {
            let bytes = self.loop.responses.bytes(
                response, keepAlive: true, isHTTP10: entry.isHTTP10, requestID: note.id)
            context.write(self.wrapOutboundOut(bytes), promise: nil)
            note.answered(status: response.status)
        } else if case .counted = response, !entry.isHTTP10 {
            context.write(self.wrapOutboundOut(self.loop.responses.counted), promise: nil)
        } else if case .overloaded = response, !entry.isHTTP10 {
            context.write(self.wrapOutboundOut(self.loop.responses.overloaded), promise: nil)
        } else {
            let bytes = self.loop.responses.bytes(response, keepAlive: true, isHTTP10: entry.isHTTP10)
            context.write(self.wrapOutboundOut(bytes), promise: nil)
        }
        return true
    }

    private func writeLast(_ response: TrackResponse, _ entry: RequestQueue.Entry, context: ChannelHandlerContext) {
        self.isEnding = true
        self.isClosing = true
        self.watch.closes(now: self.connections.now)
        self.requests.removeAll()
        self.held.removeAll()
        let bytes = self.loop.responses.bytes(
            response, keepAlive: false, isHTTP10: entry.isHTTP10, requestID: entry.note?.id)
        entry.note?.answered(status: response.status)
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: written)
        // With bytes still coming in, closing now would reset the connection and could take the answer with it. The
        // caller learns that no more will come, and `look` closes when it had time to read.
        let mode: CloseMode
        if case .discarded = self.reading { mode = .output } else { mode = .all }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in bound.value.close(mode: mode, promise: nil) }
    }

    /// Called when the router's answer has gone out.
    func routedResponseEnded() {
        self.isRouting = false
        self.watch.answered(now: self.connections.now)
        if self.isEnding { self.watch.closes(now: self.connections.now) }
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
        self.readAgain(context: context)
        if let close = self.heldClose, self.requests.isEmpty, !self.isRouting {
            self.heldClose = nil
            context.close(mode: close.mode, promise: close.promise)
        }
    }

    private var holdsReads: Bool {
        !self.held.isEmpty || self.requests.count >= RequestQueue.maximum || !self.isWritable
    }

    private func readAgain(context: ChannelHandlerContext) {
        guard self.isReadHeld, !self.holdsReads else { return }
        self.isReadHeld = false
        context.read()
    }

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
        let isAboutBytes =
            error is HTTPParserError || error is ByteToMessageDecoderError
            || error is ByteToMessageDecoderError.PayloadTooLargeError
        guard isAboutBytes, !self.isRouting else { return context.fireErrorCaught(error) }
        // What comes after the last request is no business of ours.
        if self.isEnding { return }
        // Nothing that follows on this connection can be understood, so this is its last answer.
        if let error = error as? HTTPParserError {
            self.refuseUnread(error == .headerOverflow ? .headerTooLarge : .malformed("\(error)"), isHTTP10: false)
        } else {
            self.refuseUnread(.malformed("it has more bytes than belong to it"), isHTTP10: false)
        }
    }
}
