/// One line of a `.env` file, read from left to right: first `key`, then `value`.
struct DotEnvLine {
    /// What is wrong with the line, in words that hold nothing of it.
    struct Fault: Error {
        let what: String

        init(_ what: String) { self.what = what }
    }

    private let bytes: [UInt8]
    private var position = 0

    /// - Parameter rawLine: without its LF; a CR at the end is dropped.
    init(_ rawLine: some Collection<UInt8>) {
        var bytes = Array(rawLine)
        if bytes.last == Self.carriageReturn { bytes.removeLast() }
        self.bytes = bytes
    }

    /// Reads up to and including the `=`. Nil for a blank line or a comment.
    mutating func key() throws(Fault) -> String? {
        self.skipSpace()
        guard let first = self.peek, first != UInt8(ascii: "#") else { return nil }
        try self.checkBytes()
        var key = self.word()
        if key == "export", self.skipSpace() { key = self.word() }
        guard !key.isEmpty else {
            throw self.peek == UInt8(ascii: "=")
                ? Fault("there is no key before the =; write KEY=value")
                : Fault("the key may hold only ASCII letters, digits and _; write KEY=value")
        }
        if key.utf8.first.map(Self.isDigit) == true {
            throw Fault("the key begins with a digit; it must begin with a letter or _")
        }
        if self.peek == UInt8(ascii: "=") {
            self.position += 1
            return key
        }
        guard self.bytes[self.position...].contains(UInt8(ascii: "=")) else {
            throw Fault("there is no =; write KEY=value, or begin the line with # if it is a comment")
        }
        if self.skipSpace(), self.peek == UInt8(ascii: "=") {
            throw Fault("there is white space before the =; write KEY=value")
        }
        throw Fault("the key may hold only ASCII letters, digits and _; write KEY=value")
    }

    /// Reads what follows the `=`, to the end of the line.
    mutating func value() throws(Fault) -> String {
        let spaced = self.skipSpace()
        switch self.peek {
        case nil: return ""
        case UInt8(ascii: "#"):
            if spaced { return "" }
            throw Fault("the value begins with #, which other readers take for a comment; put it in quotes")
        case UInt8(ascii: "'"):
            let value = try self.singleQuoted()
            try self.expectEnd()
            return value
        case UInt8(ascii: "\""):
            let value = try self.doubleQuoted()
            try self.expectEnd()
            return value
        default: return try self.bare()
        }
    }

    // MARK: - The three ways to write a value

    private mutating func bare() throws(Fault) -> String {
        let start = self.position
        var end = start  // behind the last byte that is not white space
        while let byte = self.peek {
            if byte == UInt8(ascii: "#"), end < self.position { break }
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                throw Fault("there is a quote within the value; put the whole value in quotes")
            }
            self.position += 1
            if !Self.isSpace(byte) { end = self.position }
        }
        return String(decoding: self.bytes[start..<end], as: UTF8.self)
    }

    private mutating func singleQuoted() throws(Fault) -> String {
        self.position += 1
        let start = self.position
        guard let end = self.bytes[start...].firstIndex(of: UInt8(ascii: "'")) else {
            throw Fault("the single quote is not closed on this line; a value stays on one line")
        }
        self.position = end + 1
        return String(decoding: self.bytes[start..<end], as: UTF8.self)
    }

    private mutating func doubleQuoted() throws(Fault) -> String {
        self.position += 1
        var value: [UInt8] = []
        while let byte = self.peek {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "\\"): value.append(try self.escaped())
            default: value.append(byte)
            }
        }
        throw Fault("the double quote is not closed on this line; for a line break write \\n")
    }

    private mutating func escaped() throws(Fault) -> UInt8 {
        let byte = self.peek
        self.position += 1
        switch byte {
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        case UInt8(ascii: "r"): return Self.carriageReturn
        case UInt8(ascii: "t"): return UInt8(ascii: "\t")
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "$"): return byte ?? 0
        default:
            throw Fault(#"there is an unknown escape; in double quotes only \n \r \t \\ \" \$ are known"#)
        }
    }

    // MARK: - Pieces

    private static let carriageReturn: UInt8 = 0x0D

    private var peek: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    /// Whether there was white space to skip.
    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = self.position
        while let byte = self.peek, Self.isSpace(byte) { self.position += 1 }
        return self.position > start
    }

    private mutating func word() -> String {
        let start = self.position
        while let byte = self.peek, Self.isWord(byte) { self.position += 1 }
        return String(decoding: self.bytes[start..<self.position], as: UTF8.self)
    }

    private mutating func expectEnd() throws(Fault) {
        let spaced = self.skipSpace()
        guard let byte = self.peek else { return }
        if byte == UInt8(ascii: "#"), spaced { return }
        throw Fault("something follows the closing quote; only white space and a # comment may")
    }

    private func checkBytes() throws(Fault) {
        guard String(validating: self.bytes, as: UTF8.self) != nil else { throw Fault("the line is not valid UTF-8") }
        if self.bytes.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7F }) {
            throw Fault("the line holds a control character; lines end with LF or CRLF")
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isWord(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return isDigit(byte) || byte == UInt8(ascii: "_") || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
    }
}
