import DequeModule
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
    enum Reading {
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
        /// Made on the head alone: whoever may not call does not fill the memory with a body.
        let decision: AccessRule.Decision
        var body: ByteBuffer?

        var isHTTP10: Bool { self.head.version.major == 1 && self.head.version.minor == 0 }
    }

    let loop: TrackLoop
    let access: AccessRule
    var context: ChannelHandlerContext?
    private(set) var peer: IPAddress?
    /// The decision about the peer itself, where no forwarded address can change it.
    private(set) var peerDecision: AccessRule.Decision?

    var reading = Reading.nothing
    /// Of the request that is being read.
    var heldBodyBytes = 0
    var requests = RequestQueue()
    /// The router has a request that it has not answered yet.
    var isRouting = false
    /// Parts of requests that must wait for the answers before them.
    var held: Deque<HTTPServerRequestPart> = []
    /// What is wrong with the bytes behind them.
    var heldProblem: Problem?
    var isReadHeld = false
    /// The caller reads what is written to it. While it does not, nothing is read from it either.
    var isWritable = true
    /// Between the first part of a read and its end. Answers that are known at once go out together then.
    var isReading = false
    var hasUnflushed = false
    /// Parts were given to the router since the last read ended.
    var hasPassedOn = false
    /// The connection's last request has come; what follows it is not read.
    var isEnding = false
    /// The last answer says that the connection closes.
    var isClosing = false
    var isQuiescing = false
    var heldClose: (mode: CloseMode, promise: EventLoopPromise<Void>?)?

    let connections: LoopConnections
    var watch: ConnectionWatch
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
        self.forgetBody()
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
        case .requestLate: self.refuseUnread(.late, self.incoming)
        case .idle, .unread, .drained: context.close(promise: nil)
        }
    }
}
