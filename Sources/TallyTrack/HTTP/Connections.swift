public import NIOCore
import Synchronization

/// How many connections are open, over all event loops, and how long they may wait.
public final class Connections: Sendable {
    /// Connections that were one too many and are read from a moment longer, so that their callers see why. Past it they
    /// are closed at once.
    public static let maximumLingering = 256

    private let open: Places
    private let lingering = Places(maximumLingering)
    private let loops: LoopLocal<LoopConnections>

    /// - Parameters:
    ///   - maximum: how many may be open; the next is answered with 503 and closed.
    ///   - idleSeconds: how long a connection stays open without a request.
    ///   - requestSeconds: how long a request may take to arrive, from its first byte to its last.
    public init(group: any EventLoopGroup, maximum: Int, idleSeconds: Int, requestSeconds: Int) async throws {
        self.open = Places(maximum)
        self.loops = try await LoopLocal(group) { eventLoop in
            LoopConnections(eventLoop: eventLoop, idleSeconds: idleSeconds, requestSeconds: requestSeconds)
        }
    }

    /// How many are open.
    public var count: Int { self.open.taken.load(ordering: .relaxed) }

    /// Takes a place for a connection until that closes. False: there is none.
    public func admit(_ channel: any Channel) -> Bool { self.open.take(for: channel) }

    /// Takes a place to linger until the connection closes. False: there is none.
    func linger(_ channel: any Channel) -> Bool { self.lingering.take(for: channel) }

    /// Those of the loop that the caller runs on.
    func current(on eventLoop: any EventLoop) -> LoopConnections { self.loops.current(on: eventLoop) }
}

/// A number of places, each taken until a connection closes.
private final class Places: Sendable {
    private let maximum: Int
    let taken = Atomic(0)

    init(_ maximum: Int) { self.maximum = maximum }

    /// False: there is none.
    func take(for channel: any Channel) -> Bool {
        guard self.taken.add(1, ordering: .relaxed).newValue <= self.maximum else {
            self.taken.subtract(1, ordering: .relaxed)
            return false
        }
        channel.closeFuture.whenComplete { _ in self.taken.subtract(1, ordering: .relaxed) }
        return true
    }
}
