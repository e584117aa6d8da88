public import Logging
import Synchronization

/// Keeps what is logged, at any level.
public final class LogRecorder: Sendable {
    public struct Line: Sendable {
        public let level: Logger.Level
        public let message: String
        public let metadata: Logger.Metadata
    }

    private let kept = Mutex<[Line]>([])

    public init() {}

    /// Writes here.
    public var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    public var lines: [Line] { self.kept.withLock { $0 } }

    /// Each line as a text: level, message, and the fields by name.
    public var texts: [String] {
        self.lines.map { line in
            let fields = line.metadata.map { " \($0)=\($1)" }.sorted().joined()
            return "\(line.level) \(line.message)\(fields)"
        }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = Line(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:])
            self.recorder.kept.withLock { $0.append(line) }
        }
    }
}

extension Logger {
    /// Writes nowhere.
    public static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
