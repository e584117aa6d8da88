#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Writes one line of a log.
public enum LogLine {
    public enum Format: String, CaseIterable, Sendable {
        /// For people: time, level, message, then `key=value`.
        case text
        /// For machines: an object, with `time`, `level`, `event` and `message` first.
        case json
    }

    /// - Parameter fields: in the order in which they are to stand.
    /// - Returns: the line with its end.
    public static func bytes(
        _ format: Format, level: String, event: String?, _ message: String, _ fields: [(String, String)]
    ) -> [UInt8] {
        switch format {
        case .text: self.text(level, event, message, fields)
        case .json: self.json(level, event, message, fields)
        }
    }

    private static func text(
        _ level: String, _ event: String?, _ message: String, _ fields: [(String, String)]
    ) -> [UInt8] {
        var line = "\(self.timestamp()) \(level) \(self.printable(message))"
        if let event { line += " event=\(event)" }
        for (key, value) in fields { line += " \(key)=\(self.quotedIfNeeded(value))" }
        return Array((line + "\n").utf8)
    }

    private static func json(
        _ level: String, _ event: String?, _ message: String, _ fields: [(String, String)]
    ) -> [UInt8] {
        var json = JSONText()
        json.raw(#"{"time":""# + self.timestamp() + #"","level":"# + JSONText.string(level))
        for (key, value) in (event.map { [("event", $0)] } ?? []) + [("message", message)] + fields {
            json.raw(",")
            json.string(key)
            json.raw(":")
            json.string(value)
        }
        json.raw("}\n")
        return json.bytes
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
