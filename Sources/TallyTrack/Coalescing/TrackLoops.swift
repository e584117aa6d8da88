public import Logging
public import NIOCore
public import TallyCore

/// The `TrackLoop` of each event loop, for the connections that are accepted there.
public final class TrackLoops: Sendable {
    /// How fast batches are answered, over all loops.
    public let traffic = TrafficGauge()
    private let loops: [ObjectIdentifier: NIOLoopBound<TrackLoop>]

    /// Makes a lane for every loop of the group, each on its loop.
    /// - Parameter spool: takes counts while the buffer cannot be reached; nil for none.
    public init(
        group: any EventLoopGroup, buffer: any CounterBuffer, spool: (any CounterBuffer)?, meter: TrackMeter,
        accessLog: AccessLog?, logger: Logger
    ) async throws {
        var loops: [ObjectIdentifier: NIOLoopBound<TrackLoop>] = [:]
        let traffic = self.traffic
        for eventLoop in group.makeIterator() {
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                NIOLoopBound(
                    TrackLoop(
                        eventLoop: eventLoop, lane: buffer.makeLane(on: eventLoop),
                        spool: spool?.makeLane(on: eventLoop), traffic: traffic, meter: meter, accessLog: accessLog,
                        logger: logger),
                    eventLoop: eventLoop)
            }.get()
        }
        self.loops = loops
    }

    /// The one of the loop that the caller runs on.
    func current(on eventLoop: any EventLoop) -> TrackLoop {
        guard let loop = self.loops[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("connections are accepted on the loops that the lanes were made for")
        }
        return loop.value
    }

    /// Whether every loop reaches the buffer.
    public func allConnected() async -> Bool {
        for loop in self.loops.values {
            let isConnected = try? await loop.eventLoop.submit { loop.value.isConnected }.get()
            guard isConnected == true else { return false }
        }
        return true
    }

    /// Gives up on all loops: what is unsent gets 503, what is unanswered 504. To be called when no more requests come.
    public func close() async {
        for loop in self.loops.values { try? await loop.eventLoop.submit { loop.value.close() }.get() }
    }
}
