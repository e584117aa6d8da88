import NIOCore
import NIOPosix
import Synchronization

/// One client's connection through a `TCPProxy`, both halves on one event loop.
final class TCPProxyLink: Sendable {
    /// From where bytes come.
    enum Side: Sendable, Hashable {
        case client
        case server
    }

    private enum Step {
        case bytes(ByteBuffer)
        case end
    }

    private struct State {
        var server: (any Channel)?
        /// What a blackhole keeps, in the order in which it came.
        var held: [(from: Side, step: Step)] = []
        /// When the last bytes from a side are due, so that a delay that shrinks does not reorder.
        var due: [Side: NIODeadline] = [:]
        var isCut = false
    }

    private weak let proxy: TCPProxy?
    private let client: any Channel
    private let state = Mutex(State())

    init(proxy: TCPProxy, client: any Channel) {
        self.proxy = proxy
        self.client = client
    }

    /// Connects to the server; nothing is read from the client before that.
    func connect(to port: Int) -> EventLoopFuture<Void> {
        ClientBootstrap(group: self.client.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TCPProxyHandler(link: self, side: .server))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .flatMap { server in
                let isCut = self.state.withLock {
                    $0.server = server
                    return $0.isCut
                }
                server.closeFuture.whenComplete { _ in self.sideClosed(.server) }
                if isCut { Self.reset(server) }
                return self.client.eventLoop.makeCompletedFuture {
                    try self.client.pipeline.syncOperations.addHandler(TCPProxyHandler(link: self, side: .client))
                }
            }
    }

    /// Resets both halves.
    func cut() {
        let server = self.state.withLock {
            $0.isCut = true
            $0.held = []
            return $0.server
        }
        Self.reset(self.client)
        if let server { Self.reset(server) }
    }

    func whenClosed() async { try? await self.client.closeFuture.get() }

    /// Delivers what a blackhole kept.
    func release() {
        self.client.eventLoop.execute {
            let held = self.state.withLock { state in
                defer { state.held = [] }
                return state.held
            }
            for (side, step) in held { self.deliver(step, from: side) }
        }
    }

    func received(_ buffer: ByteBuffer, from side: Side) {
        guard let proxy else { return self.cut() }
        let (fate, cutsAll) = proxy.fate(of: Array(buffer.readableBytesView), from: side)
        switch fate {
        case .forward: self.pass(.bytes(buffer), from: side)
        case .swallow: break
        case .cut: self.cut()
        case .forwardThenCut: self.deliverLast(buffer, from: side)
        case .forwardThenCutAfter(let count):
            var buffer = buffer
            self.deliverLast(buffer.readSlice(length: min(max(count, 0), buffer.readableBytes)) ?? buffer, from: side)
        }
        if cutsAll { proxy.cutOthers(than: self) }
    }

    func sideClosed(_ side: Side) { self.pass(.end, from: side) }

    private func pass(_ step: Step, from side: Side) {
        let (isBlackhole, delay, rate) =
            self.proxy?.rules.withLock { ($0.isBlackhole, $0.delay, $0.clientBytesPerSecond) } ?? (false, .zero, nil)
        var takes = TimeAmount.zero
        if side == .client, let rate, case .bytes(let buffer) = step {
            takes = .nanoseconds(Int64(buffer.readableBytes) * 1_000_000_000 / Int64(rate))
        }
        let due = self.state.withLock { state -> NIODeadline? in
            if state.isCut { return nil }
            // Whatever follows something that is held waits behind it.
            if isBlackhole || !state.held.isEmpty {
                state.held.append((side, step))
                return nil
            }
            let now = NIODeadline.now()
            let due = max(now + TimeAmount(delay), state.due[side] ?? now) + takes
            state.due[side] = due
            return due
        }
        guard let due else { return }
        if due <= .now() {
            self.deliver(step, from: side)
        } else {
            self.client.eventLoop.scheduleTask(deadline: due) { self.deliver(step, from: side) }
        }
    }

    private func deliver(_ step: Step, from side: Side) {
        let other: (any Channel)? = side == .client ? self.state.withLock { $0.server } : self.client
        guard let other else { return }
        switch step {
        case .bytes(let buffer): other.writeAndFlush(buffer, promise: nil)
        case .end: other.close(promise: nil)
        }
    }

    /// Writes bytes and then cuts. Closed plainly on that side, since a reset makes the receiver's kernel throw away what
    /// it has not read yet.
    private func deliverLast(_ buffer: ByteBuffer, from side: Side) {
        let server = self.state.withLock {
            $0.isCut = true
            $0.held = []
            return $0.server
        }
        // Bytes have come, so the server is connected.
        guard let server else { return Self.reset(self.client) }
        let (sender, receiver) = side == .client ? (self.client, server) : (server, self.client)
        receiver.writeAndFlush(buffer).whenComplete { _ in receiver.close(promise: nil) }
        Self.reset(sender)
    }

    /// Closes with SO_LINGER at 0 seconds, which sends a reset in place of an orderly end (socket(7)).
    private static func reset(_ channel: any Channel) {
        channel.eventLoop.execute {
            guard let provider = channel as? any SocketOptionProvider, channel.isActive else {
                return channel.close(promise: nil)
            }
            provider.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
        }
    }
}

/// Takes the bytes of one half to the link.
private final class TCPProxyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: TCPProxyLink
    private let side: TCPProxyLink.Side

    init(link: TCPProxyLink, side: TCPProxyLink.Side) {
        self.link = link
        self.side = side
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.link.received(self.unwrapInboundIn(data), from: self.side)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
