import NIOCore
import NIOPosix
import Synchronization

/// A cable between a client and a server that a test can cut, stretch, or deafen.
///
/// It listens on a port of 127.0.0.1 and forwards each connection to another one. Everything may be called from any
/// task at any time; what is decided applies to the bytes that arrive afterwards.
public final class TCPProxy: Sendable {
    /// What becomes of bytes that have arrived.
    public enum Fate: Sendable {
        case forward
        /// They vanish, the connection goes on.
        case swallow
        /// They vanish, and this connection is cut.
        case cut
        /// They get through, and this connection is cut.
        case forwardThenCut
        /// The first so many of them get through, and this connection is cut.
        case forwardThenCutAfter(Int)
    }

    struct Rules {
        var targetPort: Int
        var refuses = false
        var dropsServerToClient = false
        var delay = Duration.zero
        var isBlackhole = false
        /// How many more bytes may pass before all connections are cut; nil without bound.
        var budget: [TCPProxyLink.Side: Int] = [:]
        var hooks: [TCPProxyLink.Side: @Sendable ([UInt8]) -> Fate] = [:]
        var accepted = 0
        var bytes: [TCPProxyLink.Side: Int] = [:]
    }

    public let port: Int
    let rules: Mutex<Rules>
    private let links = Mutex<[ObjectIdentifier: TCPProxyLink]>([:])
    private let listener = Mutex<(any Channel)?>(nil)

    /// Starts a proxy in front of a port of this machine.
    public static func start(to targetPort: Int) async throws -> TCPProxy {
        try await FreePort.retrying { port in
            let proxy = TCPProxy(port: port, targetPort: targetPort)
            try await proxy.listen()
            return proxy
        }
    }

    private init(port: Int, targetPort: Int) {
        self.port = port
        self.rules = Mutex(Rules(targetPort: targetPort))
    }

    deinit {
        self.listener.withLock { $0?.close(promise: nil) }
        for link in self.links.withLock({ Array($0.values) }) { link.cut() }
    }

    // MARK: What a test can do

    /// How many connections are open.
    public var connectionCount: Int { self.links.withLock { $0.count } }

    /// How many connections there have ever been.
    public var acceptedCount: Int { self.rules.withLock { $0.accepted } }

    /// How many bytes have come from clients, forwarded or not.
    public var clientByteCount: Int { self.rules.withLock { $0.bytes[.client] ?? 0 } }

    /// How many bytes have come from the server, forwarded or not.
    public var serverByteCount: Int { self.rules.withLock { $0.bytes[.server] ?? 0 } }

    /// Where new connections lead.
    public var targetPort: Int {
        get { self.rules.withLock { $0.targetPort } }
        set { self.rules.withLock { $0.targetPort = newValue } }
    }

    /// Closes all connections at once, on both sides by a reset; returns when they are closed. New ones are taken.
    public func cutAll() async {
        for link in self.links.withLock({ Array($0.values) }) {
            link.cut()
            await link.whenClosed()
        }
    }

    /// Cuts all connections once so many more bytes have come from clients; the last of them still get through.
    public func cut(afterClientBytes count: Int) { self.rules.withLock { $0.budget[.client] = count } }

    /// Cuts all connections once so many more bytes have come from the server; the last of them still get through.
    public func cut(afterServerBytes count: Int) { self.rules.withLock { $0.budget[.server] = count } }

    /// While true, whatever the server answers vanishes and its connection is cut: the server has done its work, and
    /// the client does not learn of it.
    public var dropServerToClient: Bool {
        get { self.rules.withLock { $0.dropsServerToClient } }
        set { self.rules.withLock { $0.dropsServerToClient = newValue } }
    }

    /// How long bytes are under way, in each direction; connections keep their order.
    public var delay: Duration {
        get { self.rules.withLock { $0.delay } }
        set { self.rules.withLock { $0.delay = newValue } }
    }

    /// Stops listening, so that new connections are refused; those that are open stay.
    public func refuseNew() async {
        self.rules.withLock { $0.refuses = true }
        let channel = self.listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        try? await channel?.close().get()
    }

    /// Listens again after `refuseNew`.
    public func acceptAgain() async throws {
        guard self.rules.withLock({ $0.refuses }) else { return }
        // The port may still belong to the old listener for a moment.
        try await eventually("port \(self.port) to be free for the proxy") {
            try await self.listen()
            return true
        }
        self.rules.withLock { $0.refuses = false }
    }

    /// Keeps connections open, old and new, and forwards nothing: no bytes, no ends of connections. They wait.
    public func blackhole() { self.rules.withLock { $0.isBlackhole = true } }

    /// Ends `blackhole`: what waited is delivered in its order, as TCP does after a broken route.
    public func heal() {
        self.rules.withLock { $0.isBlackhole = false }
        for link in self.links.withLock({ Array($0.values) }) { link.release() }
    }

    /// Called with all bytes that come from a client, before any other rule; decides what becomes of them. A chunk is
    /// what one read gave, so it may be a part of a message, or several. Runs on an event loop and must not block.
    public func onClientBytes(_ hook: (@Sendable ([UInt8]) -> Fate)?) {
        self.rules.withLock { $0.hooks[.client] = hook }
    }

    /// The same for bytes that come from the server.
    public func onServerBytes(_ hook: (@Sendable ([UInt8]) -> Fate)?) {
        self.rules.withLock { $0.hooks[.server] = hook }
    }

    /// Stops for good.
    public func stop() async {
        await self.refuseNew()
        await self.cutAll()
    }

    // MARK: Its own work

    private func listen() async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [weak self] client in
                guard let self else { return client.close() }
                return self.link(client)
            }
            .bind(host: "127.0.0.1", port: self.port).get()
        self.listener.withLock { $0 = channel }
    }

    private func link(_ client: any Channel) -> EventLoopFuture<Void> {
        self.rules.withLock { $0.accepted += 1 }
        let link = TCPProxyLink(proxy: self, client: client)
        let id = ObjectIdentifier(link)
        self.links.withLock { $0[id] = link }
        client.closeFuture.whenComplete { [weak self] _ in
            link.sideClosed(.client)
            self?.links.withLock { _ = $0.removeValue(forKey: id) }
        }
        return link.connect(to: self.targetPort).flatMapError { _ in
            // The server refuses; so does the proxy, as far as it still can.
            link.cut()
            return client.eventLoop.makeSucceededVoidFuture()
        }
    }

    /// Applies the rules to bytes that came. The flag says whether *all* connections are to be cut afterwards.
    func fate(of bytes: [UInt8], from side: TCPProxyLink.Side) -> (fate: Fate, cutsAll: Bool) {
        let hook = self.rules.withLock { rules in
            rules.bytes[side, default: 0] += bytes.count
            return rules.hooks[side]
        }
        // Outside the lock, so that a hook may use the proxy.
        let fate = hook?(bytes) ?? .forward
        guard case .forward = fate else { return (fate, false) }
        return self.rules.withLock { rules in
            if side == .server, rules.dropsServerToClient { return (.cut, false) }
            guard let left = rules.budget[side] else { return (.forward, false) }
            guard left <= bytes.count else {
                rules.budget[side] = left - bytes.count
                return (.forward, false)
            }
            rules.budget[side] = nil
            return (.forwardThenCutAfter(left), true)
        }
    }

    func cutOthers(than link: TCPProxyLink) {
        for other in self.links.withLock({ Array($0.values) }) where other !== link { other.cut() }
    }
}
