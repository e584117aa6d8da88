import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import TallyConfig
import TallyCore
import TallyFlush
import TallyTrack

/// Outlives everything else: does the last flush when nobody counts any more, then closes buffer and store.
struct StorageService: Service {
    /// A store that is away must not keep the service from stopping: what it cannot take stays in the buffer.
    static let lastFlushWithin: Duration = .seconds(10)
    static let closedWithin: Duration = .seconds(2)

    let storage: Storage
    let flushing: Flushing
    let logger: Logger

    func run() async throws {
        try await gracefulShutdown()
        do {
            let summary = try await within(Self.lastFlushWithin, orElse: "what was not moved stays in the buffer") {
                try await self.flushing.run(isUrgent: true)
            }
            self.logger.log(.lastFlushDone, "last flush done", [.outcome: summary ?? "nothing to move"])
        } catch {
            self.logger.log(.lastFlushFailed, "last flush failed", [.reason: "\(error)"])
        }
        // A driver that waits for a frozen server ends with the process.
        try? await within(Self.closedWithin, orElse: "the process ends all the same") { await self.storage.shutdown() }
        self.logger.log(.stopped, "stopped")
    }
}

/// Closes the lanes when the last connection is gone.
struct LanesService: Service {
    let loops: TrackLoops

    func run() async throws {
        try await gracefulShutdown()
        await self.loops.close()
    }
}

/// Listens, and says clearly why it cannot.
struct HTTPService: Service {
    let application: any ApplicationProtocol
    let settings: Settings
    let exit: ExitReason

    func run() async throws {
        do {
            try await self.application.run()
        } catch {
            guard
                let failure = ListenFailure.startError(error, host: self.settings.host, port: self.settings.port)
            else { throw error }
            self.exit.set(failure)
            throw failure
        }
    }
}

/// Ends the service from within.
final class Stop: Service {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (self.stream, self.continuation) = AsyncStream.makeStream() }

    func now() { self.continuation.finish() }

    func run() async throws {
        await cancelWhenGracefulShutdown { for await _ in self.stream {} }
    }
}
