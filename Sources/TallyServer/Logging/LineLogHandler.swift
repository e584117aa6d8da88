#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
public import Logging
import TallyCore

/// Logs to standard output, one line for each message, as text for people or JSON for machines.
public struct LineLogHandler: LogHandler {
    public enum Format: String, Sendable {
        case text, json
    }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let format: Format
    private let label: String

    public init(label: String, format: Format, level: Logger.Level) {
        self.label = label
        self.format = format
        self.logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let metadata = event.metadata.map { self.metadata.merging($0) { _, new in new } } ?? self.metadata
        let fields = metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        let line =
            switch self.format {
            case .text: Self.text(event.level, event.message.description, fields)
            case .json: Self.json(event.level, event.message.description, fields)
            }
        Self.write(line)
    }

    static func text(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> [UInt8] {
        var line = "\(Self.timestamp()) \(level.rawValue) \(Self.printable(message))"
        for (key, value) in fields { line += " \(key)=\(Self.quotedIfNeeded(value))" }
        return Array((line + "\n").utf8)
    }

    static func json(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> [UInt8] {
        var json = JSONText()
        json.raw(#"{"time":"#)
        json.string(Self.timestamp())
        json.raw(#","level":"#)
        json.string(level.rawValue)
        json.raw(#","message":"#)
        json.string(message)
        for (key, value) in fields {
            json.raw(",")
            json.string(key)
            json.raw(":")
            json.string(value)
        }
        json.raw("}\n")
        return json.bytes
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

    private static func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = String(1_000 + Int(now.tv_nsec) / 1_000_000).dropFirst()
        return Timestamp.iso8601(Int64(now.tv_sec)).dropLast() + ".\(milliseconds)Z"
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain =
            !value.isEmpty
            && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F && $0 != UInt8(ascii: "=") }
        if isPlain { return value }
        return JSONText.string(value)
    }

    /// A line stays a line, whatever is in the message.
    private static func printable(_ message: String) -> String {
        String(String.UnicodeScalarView(message.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    }
}

/// `write(2)` under a name that does not meet `LineLogHandler.write`.
private let unistdWrite = write
