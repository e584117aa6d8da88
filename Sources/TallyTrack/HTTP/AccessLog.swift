import NIOCore
import Synchronization
public import TallyCore

/// Writes a line for each request, or for each hundredth, apart from the other log lines.
///
/// Every Nth request is taken, whatever came of it, so that numbers can be multiplied by N.
public final class AccessLog: Sendable {
    private let every: Int
    private let format: LogLine.Format
    private let count = Atomic<Int>(0)
    private let write: @Sendable ([UInt8]) -> Void

    /// - Parameters:
    ///   - every: N.
    ///   - write: takes a line; must not block, since it is called on event loops.
    public init(every: Int, format: LogLine.Format, write: @escaping @Sendable ([UInt8]) -> Void) {
        self.every = every
        self.format = format
        self.write = write
    }

    /// Whether the request that comes now is one that is logged. To be asked once for each.
    public func takesNext() -> Bool {
        self.count.wrappingAdd(1, ordering: .relaxed).oldValue % self.every == 0
    }

    /// - Parameters:
    ///   - method: `-` where it could not be read.
    ///   - path: without the query, which may say who did what; `-` where it could not be read.
    public func record(
        requestID: String, address: String, method: String, path: String, status: Int, nanoseconds: Int64
    ) {
        let microseconds = String(1_000 + nanoseconds / 1_000 % 1_000).dropFirst()
        let fields: [(LogField, String)] = [
            (.requestID, requestID), (.address, address), (.method, method), (.path, path), (.status, String(status)),
            (.durationMS, "\(nanoseconds / 1_000_000).\(microseconds)"), (.every, String(self.every)),
        ]
        self.write(
            LogLine.bytes(
                self.format, level: LoggedEvent.request.details.level.rawValue, event: LoggedEvent.request.name,
                "request", fields.map { ($0.rawValue, $1) }))
    }
}

/// What is remembered of a request to /track that is called something, beside its place in the queue.
final class RequestNote {
    /// What the access log wants of it.
    struct Logged {
        let log: AccessLog
        let address: String
        let method: String
        let path: String
        let began: NIODeadline
    }

    let id: String
    /// Nil where it is not one that is logged.
    let logged: Logged?

    init(id: String, logged: Logged? = nil) {
        self.id = id
        self.logged = logged
    }

    /// The answer goes out.
    func answered(status: Int) {
        guard let logged else { return }
        logged.log.record(
            requestID: self.id, address: logged.address, method: logged.method, path: logged.path, status: status,
            nanoseconds: (NIODeadline.now() - logged.began).nanoseconds)
    }
}
