import Logging

struct LogLine: Sendable {
    let level: Logger.Level
    let message: String
    let metadata: Logger.Metadata
}

/// Keeps what is logged, at any level.
struct RecordingLogHandler: LogHandler {
    let lines: Recorder<LogLine>
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    init(_ lines: Recorder<LogLine>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        self.lines.add(LogLine(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:]))
    }
}
