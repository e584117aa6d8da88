import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import TallyConfig
import TallyCore
import TallyCron
import TallyFlush
import TallyTrack

/// The service: takes counts, flushes them, answers for them, until it is told to stop.
public struct App: Sendable {
    let services: ServiceGroup
    let exit: ExitReason

    /// Runs until SIGTERM or SIGINT, then stops in order: no new connections, answers to what is in flight, the last
    /// flush.
    /// - Throws: `StartError` where it could not start, or had to stop.
    public func run() async throws {
        do {
            try await self.services.run()
        } catch {
            if let reason = self.exit.reason { throw reason }
            throw error
        }
        if let reason = self.exit.reason { throw reason }
    }
}

/// Why the service did not start, or stopped by itself.
public struct StartError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// A setting must be changed.
        case configuration
        /// A server or a file cannot be reached.
        case unavailable
    }

    public let code: Code
    /// What is wrong and what to do.
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// Keeps the first reason for which the service ends by itself.
final class ExitReason: Sendable {
    private let state = Mutex<StartError?>(nil)

    var reason: StartError? { self.state.withLock { $0 } }

    func set(_ reason: StartError) {
        self.state.withLock { if $0 == nil { $0 = reason } }
    }
}
