import Logging
import NIOCore
import TallyCore

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
    mutating func refused(_ problem: Problem, address: () -> String, requestID: String?) {
        self.log(.requestRefused, "request refused") {
            let faults = problem.faults.prefix(4).map { "\($0.parameter) \($0.detail)" }.joined(separator: "; ")
            var fields: [LogField: String] = [
                .status: String(problem.status), .address: address(),
                .problem: problem.reason.rawValue, .reason: faults.isEmpty ? problem.detail : faults,
            ]
            fields[.requestID] = requestID
            return fields
        }
    }

    /// A batch that the buffer did not take, or of which nobody knows.
    mutating func failed(_ event: LoggedEvent, _ what: Logger.Message, _ reason: some CustomStringConvertible) {
        self.log(event, what) { [.reason: reason.description] }
    }

    /// Says what was left out in the second that has passed.
    mutating func summarise() {
        let now = NIODeadline.now()
        guard now - self.second >= .seconds(1) else { return }
        if self.leftOut > 0 {
            self.logger.log(
                .refusalsSummed, "requests refused, not logged one by one", [.count: String(self.leftOut)])
        }
        self.second = now
        self.lines = 0
        self.leftOut = 0
    }

    private mutating func log(
        _ event: LoggedEvent, _ message: Logger.Message, _ fields: () -> [LogField: String]
    ) {
        self.summarise()
        guard self.lines < Self.linesPerSecond else {
            self.leftOut += 1
            return
        }
        self.lines += 1
        self.logger.log(event, message, fields())
    }
}
