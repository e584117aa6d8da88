import Logging
import NIOCore

/// Logs refused requests and batches with their reasons, at most so many lines a second: a flood of them must not
/// become a flood of lines. What was left out is summed up.
struct LimitedLog {
    /// Lines a second for one event loop.
    static let linesPerSecond = 10

    private let logger: Logger
    private var second = NIODeadline.now()
    private var lines = 0
    private var leftOut = 0

    init(logger: Logger) { self.logger = logger }

    /// A request that got something else than what it asked for.
    mutating func refused(_ problem: Problem, address: () -> String) {
        self.log(.info, "request refused") {
            let faults = problem.faults.prefix(4).map { "\($0.parameter) \($0.detail)" }.joined(separator: "; ")
            return [
                "status": "\(problem.status)", "address": "\(address())",
                "reason": "\(faults.isEmpty ? problem.detail : faults)",
            ]
        }
    }

    /// A batch that the buffer did not take, or of which nobody knows.
    mutating func failed(_ what: Logger.Message, _ reason: some CustomStringConvertible) {
        self.log(.warning, what) { ["reason": "\(reason)"] }
    }

    /// Says what was left out in the second that has passed.
    mutating func summarise() {
        let now = NIODeadline.now()
        guard now - self.second >= .seconds(1) else { return }
        if self.leftOut > 0 {
            self.logger.info("requests refused, not logged one by one", metadata: ["count": "\(self.leftOut)"])
        }
        self.second = now
        self.lines = 0
        self.leftOut = 0
    }

    private mutating func log(_ level: Logger.Level, _ message: Logger.Message, _ metadata: () -> Logger.Metadata) {
        self.summarise()
        guard self.lines < Self.linesPerSecond else {
            self.leftOut += 1
            return
        }
        self.lines += 1
        self.logger.log(level: level, message, metadata: metadata())
    }
}
