public import NIOCore
import Synchronization

/// How many connections are open, over all event loops, and how long they may wait.
public final class Connections: Sendable {
    /// Connections that were one too many and are read from a moment longer, so that their callers see why. Past it they
    /// are closed at once.
    public static let maximumLingering = 256

    /// How many may be open; the next is answered with 503 and closed.
    public let maximum: Int
    private let open = Atomic(0)
    private let lingering = Atomic(0)
    private let loops: [ObjectIdentifier: NIOLoopBound<LoopConnections>]

    /// - Parameters:
    ///   - idleSeconds: how long a connection stays open without a request.
    ///   - requestSeconds: how long a request may take to arrive, from its first byte to its last.
    public init(group: any EventLoopGroup, maximum: Int, idleSeconds: Int, requestSeconds: Int) async throws {
        self.maximum = maximum
        var loops: [ObjectIdentifier: NIOLoopBound<LoopConnections>] = [:]
        for eventLoop in group.makeIterator() {
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                NIOLoopBound(
                    LoopConnections(eventLoop: eventLoop, idleSeconds: idleSeconds, requestSeconds: requestSeconds),
                    eventLoop: eventLoop)
            }.get()
        }
        self.loops = loops
    }

    /// How many are open.
    public var count: Int { self.open.load(ordering: .relaxed) }

    /// Takes a place for a connection until that closes. False: there is none.
    public func admit(_ channel: any Channel) -> Bool {
        guard self.open.add(1, ordering: .relaxed).newValue <= self.maximum else {
            self.open.subtract(1, ordering: .relaxed)
            return false
        }
        channel.closeFuture.whenComplete { _ in self.open.subtract(1, ordering: .relaxed) }
        return true
    }

    /// Takes a place to linger until the connection closes. False: there is none.
    func linger(_ channel: any Channel) -> Bool {
        guard self.lingering.add(1, ordering: .relaxed).newValue <= Self.maximumLingering else {
            self.lingering.subtract(1, ordering: .relaxed)
            return false
        }
        channel.closeFuture.whenComplete { _ in self.lingering.subtract(1, ordering: .relaxed) }
        return true
    }

    /// Those of the loop that the caller runs on.
    func current(on eventLoop: any EventLoop) -> LoopConnections {
        guard let loop = self.loops[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("connections are accepted on the loops of the group")
        }
        return loop.value
    }
}
