import Logging
import NIOCore

/// Logs refused requests with reason and address, at most so many a second: a flood of bad requests must not become a
/// flood of lines. What was left out is summed up.
struct RefusalLog {
    /// Lines a second for one event loop.
    static let linesPerSecond = 10

    private let logger: Logger
    private var second = NIODeadline.now()
    private var lines = 0
    private var leftOut = 0

    init(logger: Logger) { self.logger = logger }

    mutating func log(_ problem: Problem, address: String) {
        self.summarise()
        guard self.lines < Self.linesPerSecond else {
            self.leftOut += 1
            return
        }
        self.lines += 1
        let faults = problem.faults.prefix(4).map { "\($0.parameter) \($0.detail)" }.joined(separator: "; ")
        self.logger.info(
            "request refused",
            metadata: [
                "status": "\(problem.status)", "address": "\(address)",
                "reason": "\(faults.isEmpty ? problem.detail : faults)",
            ])
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
}
