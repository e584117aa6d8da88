public import Logging
public import TallyCore

/// Logs to standard output, one line for each message, as text for people or JSON for machines.
public struct LineLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let format: LogLine.Format

    public init(format: LogLine.Format, level: Logger.Level) {
        self.format = format
        self.logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var metadata = event.metadata.map { self.metadata.merging($0) { _, new in new } } ?? self.metadata
        let name = metadata.removeValue(forKey: "event")?.description
        let fields = metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        LogOutput.write(
            LogLine.bytes(self.format, level: event.level.rawValue, event: name, event.message.description, fields),
            self.format)
    }
}
