/// A strict reader of `.env` files: a line is understood in one way, or refused with its number.
///
/// ```
/// # a comment                 on a line of its own, or after white space behind a value
/// KEY=value                   from the first character to the last that is not white space
/// export KEY=value            the same
/// KEY='a "literal" $value'    everything up to the next single quote
/// KEY="one\ntwo"              with \n \r \t \\ \" \$; any other escape is refused
/// KEY=                        empty
/// ```
///
/// Nothing is expanded: a `$` is a dollar sign. Lines end with LF or CRLF; a byte order mark at the start is skipped.
/// A value stays on its line. White space before `=` is refused, as a shell refuses it; after `=` it is dropped. Where
/// common readers disagree (a bare value that begins with `#` or holds a quote, a comment that touches a closing quote)
/// the line is refused.
public enum DotEnv {
    public struct Entry: Sendable, Equatable, CustomStringConvertible {
        /// `[A-Za-z_][A-Za-z0-9_]*`
        public let key: String
        public let value: String
        /// Counted from 1.
        public let line: Int

        public init(key: String, value: String, line: Int) {
            self.key = key
            self.value = value
            self.line = line
        }

        /// Without the value, which may be a secret.
        public var description: String { "\(self.key) (line \(self.line))" }
    }

    /// Reads a whole file.
    /// - Parameter bytes: UTF-8.
    /// - Returns: the entries in the order of their lines, each key once.
    /// - Throws: `DotEnvError` with every bad line.
    public static func parse(_ bytes: some Collection<UInt8>) throws(DotEnvError) -> [Entry] {
        let (entries, faults) = scan(bytes)
        guard faults.isEmpty else { throw DotEnvError(faults: faults) }
        return entries
    }

    /// Reads a whole file that is already text.
    /// - Throws: `DotEnvError` with every bad line.
    public static func parse(_ text: String) throws(DotEnvError) -> [Entry] { try parse(text.utf8) }

    /// Reads a whole file, and keeps what is right beside what is wrong, so that the caller can go on and report more.
    static func scan(_ bytes: some Collection<UInt8>) -> (entries: [Entry], faults: [DotEnvError.Fault]) {
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes[...]
        var entries: [Entry] = []
        var faults: [DotEnvError.Fault] = []
        var lineOfKey: [String: Int] = [:]
        for (index, rawLine) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            let number = index + 1
            var line = DotEnvLine(rawLine)
            do {
                guard let key = try line.key() else { continue }
                // Noted before the value is read: a key that is given twice is worth knowing even where a value is bad.
                if let first = lineOfKey[key] {
                    faults.append(
                        .init(line: number, what: "\(key) was given on line \(first) already; keep one of the two"))
                    continue
                }
                lineOfKey[key] = number
                entries.append(Entry(key: key, value: try line.value(), line: number))
            } catch {
                faults.append(.init(line: number, what: error.what))
            }
        }
        return (entries, faults)
    }
}

/// Every line of a `.env` file that makes no sense. Holds nothing of the lines but keys: values may be secrets.
public struct DotEnvError: Error, Sendable, Equatable, CustomStringConvertible {
    public struct Fault: Sendable, Equatable, CustomStringConvertible {
        /// Counted from 1.
        public let line: Int
        /// What is wrong and what to do.
        public let what: String

        public init(line: Int, what: String) {
            self.line = line
            self.what = what
        }

        public var description: String { "line \(self.line): \(self.what)" }
    }

    /// In the order of their lines, at least one.
    public let faults: [Fault]

    public init(faults: [Fault]) { self.faults = faults }

    /// One fault a line.
    public var description: String { self.faults.map(\.description).joined(separator: "\n") }
}
