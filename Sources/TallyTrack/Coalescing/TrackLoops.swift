public import Logging
public import NIOCore
public import TallyCore

/// The `TrackLoop` of each event loop, for the connections that are accepted there.
public final class TrackLoops: Sendable {
    /// How fast batches are answered, over all loops.
    public let traffic = TrafficGauge()
    private let loops: LoopLocal<TrackLoop>

    /// Makes a lane for every loop of the group, each on its loop.
    /// - Parameter spool: takes counts while the buffer cannot be reached; nil for none.
    public init(
        group: any EventLoopGroup, buffer: any CounterBuffer, spool: (any CounterBuffer)?, meter: TrackMeter,
        accessLog: AccessLog?, logger: Logger
    ) async throws {
        let traffic = self.traffic
        self.loops = try await LoopLocal(group) { eventLoop in
            TrackLoop(
                eventLoop: eventLoop, lane: buffer.makeLane(on: eventLoop), spool: spool?.makeLane(on: eventLoop),
                traffic: traffic, meter: meter, accessLog: accessLog, logger: logger)
        }
    }

    /// The one of the loop that the caller runs on.
    func current(on eventLoop: any EventLoop) -> TrackLoop { self.loops.current(on: eventLoop) }

    /// Whether every loop reaches the buffer.
    public func allConnected() async -> Bool { await self.loops.onEach(\.isConnected).allSatisfy { $0 == true } }

    /// Gives up on all loops: what is unsent gets 503, what is unanswered 504. To be called when no more requests come.
    public func close() async { await self.loops.onEach { $0.close() } }
}
