#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
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
        Self.write(
            LogLine.bytes(
                self.format, level: event.level.rawValue, event: name, event.message.description, fields))
    }

    /// One write for each line, so that lines of several threads do not run into each other (POSIX promises that for
    /// pipes up to PIPE_BUF, and Linux does it for files opened for appending).
    private static func write(_ line: [UInt8]) {
        line.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let count = unistdWrite(STDOUT_FILENO, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                // A log that cannot be written is no reason to stop counting.
                guard count > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}

/// `write(2)` under a name that does not meet `LineLogHandler.write`.
private let unistdWrite = write
