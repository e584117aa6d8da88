/// Where JSON is broken.
package struct JSONError: Error {
    /// Bytes from the beginning of the body.
    package let offset: Int
    /// What should stand there, to be read after "expected".
    package let expected: StaticString
}

/// Walks through JSON text, strictly by RFC 8259, token by token and without allocating.
///
/// Made for /track because Foundation's decoder cannot see that a key is given twice. The text must have passed
/// `UTF8Check`; what is checked here is everything else.
package struct JSONScanner {
    /// How many arrays and objects may lie in each other, so that the recursion of `skipValue` is bounded.
    static let maximumDepth = 32

    /// A string as it stands in the text, between its quotation marks.
    package struct Text {
        fileprivate let start: Int
        fileprivate let end: Int
        package let hasEscapes: Bool
        /// False where an escape stands for half a surrogate pair, which is no Unicode text.
        package let isUnicode: Bool
    }

    private let bytes: UnsafeRawBufferPointer
    private let end: Int
    /// A line feed ends a JSON text and is no whitespace in it.
    private let hasLines: Bool
    package private(set) var position: Int
    private var depth = 0

    /// Scans `range` of `bytes`; offsets in errors count from the beginning of `bytes`.
    /// - Parameter hasLines: whether each line is a JSON text of its own.
    package init(_ bytes: UnsafeRawBufferPointer, range: Range<Int>, hasLines: Bool = false) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        self.bytes = bytes
        self.position = range.lowerBound
        self.end = range.upperBound
        self.hasLines = hasLines
    }

    /// The next byte, or nil at the end. All single bytes are read here: `position` starts within the buffer and only
    /// grows, or goes back to where it was, so the one comparison keeps every read inside.
    @inline(__always)
    package func peek() -> UInt8? { self.position < self.end ? self.bytes[self.position] : nil }

    package func failure(_ expected: StaticString) -> JSONError { JSONError(offset: self.position, expected: expected) }

    @inline(__always)
    package mutating func skipWhitespace() {
        // Whatever is no whitespace is above it, but for control characters.
        if let byte = self.peek(), byte <= 0x20 { self.skipWhitespaceHere() }
    }

    private mutating func skipWhitespaceHere() {
        while let byte = self.peek(),
            byte == 0x20 || byte == 0x0D || byte == 0x09 || (byte == 0x0A && !self.hasLines)
        {
            self.position += 1
        }
    }

    /// Only whitespace may follow.
    package mutating func expectEnd() throws(JSONError) {
        self.skipWhitespace()
        guard self.position == self.end else { throw self.failure("nothing more") }
    }

    // MARK: Lines

    /// Whether the line, or the text with it, ends here.
    var isAtEndOfLine: Bool { self.peek().map { $0 == 0x0A } ?? true }

    /// Moves to the next line; false at the end of the text. Only whitespace may stand before.
    mutating func nextLine() throws(JSONError) -> Bool {
        // Most lines end right behind their object.
        if self.peek() != 0x0A { self.skipWhitespace() }
        guard let byte = self.peek() else { return false }
        guard byte == 0x0A else { throw self.failure("nothing more") }
        self.position += 1
        return true
    }

    // MARK: Arrays and objects

    /// Enters the array or object that begins here.
    package mutating func open() throws(JSONError) {
        guard self.depth < Self.maximumDepth else {
            throw self.failure("at most 32 arrays and objects within each other")
        }
        self.depth += 1
        self.position += 1
    }

    private mutating func close() {
        self.depth -= 1
        self.position += 1
    }

    /// Moves to the next element of the array that was opened last; false at its end, which is then behind.
    mutating func nextElement(isFirst: Bool) throws(JSONError) -> Bool {
        self.skipWhitespace()
        if self.peek() == UInt8(ascii: "]") {
            self.close()
            return false
        }
        if !isFirst {
            guard self.peek() == UInt8(ascii: ",") else { throw self.failure("a comma or ]") }
            self.position += 1
            self.skipWhitespace()
        }
        return true
    }

    /// Reads the next key of the object that was opened last and moves to its value; nil at the object's end, which is
    /// then behind.
    package mutating func nextKey(isFirst: Bool) throws(JSONError) -> Text? {
        self.skipWhitespace()
        if self.peek() == UInt8(ascii: "}") {
            self.close()
            return nil
        }
        if !isFirst {
            guard self.peek() == UInt8(ascii: ",") else { throw self.failure("a comma or }") }
            self.position += 1
            self.skipWhitespace()
        }
        guard self.peek() == UInt8(ascii: "\"") else {
            throw self.failure(isFirst ? "a key in quotation marks or }" : "a key in quotation marks")
        }
        let key = try self.string()
        self.skipWhitespace()
        guard self.peek() == UInt8(ascii: ":") else { throw self.failure("a colon") }
        self.position += 1
        self.skipWhitespace()
        return key
    }

    // MARK: Strings

    /// Reads the string whose quotation mark stands here.
    package mutating func string() throws(JSONError) -> Text {
        self.position += 1
        let start = self.position
        var hasEscapes = false
        var isUnicode = true
        while let byte = self.peek() {
            switch byte {
            case UInt8(ascii: "\""):
                self.position += 1
                return Text(start: start, end: self.position - 1, hasEscapes: hasEscapes, isUnicode: isUnicode)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                if try self.escape() == nil { isUnicode = false }
            case 0x0A where self.hasLines: throw self.failure("a closing quotation mark")
            case 0..<0x20:
                throw self.failure("a control character to be written as an escape")
            default:
                self.position += 1
            }
        }
        throw self.failure("a closing quotation mark")
    }

    /// The bytes of a string as they stand in the text, escapes and all.
    package func raw(_ text: Text) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self.bytes[text.start..<text.end])
    }

    /// Appends a string that `isUnicode` to `output`, as UTF-8.
    package func append(_ text: Text, to output: inout [UInt8]) throws(JSONError) {
        guard text.hasEscapes else {
            output.append(contentsOf: self.raw(text))
            return
        }
        var scanner = JSONScanner(self.bytes, range: text.start..<text.end)
        while let byte = scanner.peek() {
            if byte == UInt8(ascii: "\\") {
                if let scalar = try scanner.escape() { output.append(contentsOf: UTF8.encode(scalar) ?? .init()) }
            } else {
                output.append(byte)
                scanner.position += 1
            }
        }
    }

    /// Reads the escape whose backslash stands here; nil where it is half a surrogate pair.
    private mutating func escape() throws(JSONError) -> Unicode.Scalar? {
        self.position += 1
        guard let letter = self.peek() else { throw self.failure("an escape") }
        let scalar: Unicode.Scalar
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalar = Unicode.Scalar(letter)
        case UInt8(ascii: "b"): scalar = "\u{8}"
        case UInt8(ascii: "f"): scalar = "\u{C}"
        case UInt8(ascii: "n"): scalar = "\n"
        case UInt8(ascii: "r"): scalar = "\r"
        case UInt8(ascii: "t"): scalar = "\t"
        case UInt8(ascii: "u"):
            self.position += 1
            return try self.unicodeEscape()
        case 0x0A where self.hasLines: throw self.failure("an escape")
        default: throw self.failure("one of \" \\ / b f n r t u after a backslash")
        }
        self.position += 1
        return scalar
    }

    /// Reads the four digits after `\u`, and the second half of a surrogate pair where they are the first (RFC 8259,
    /// section 7).
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar? {
        let unit = try self.fourHexadecimalDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard unit < 0xDC00, self.peek() == UInt8(ascii: "\\") else { return nil }
        let beforeSecond = self.position
        self.position += 1
        if self.peek() == UInt8(ascii: "u") {
            self.position += 1
            let second = try self.fourHexadecimalDigits()
            if (0xDC00...0xDFFF).contains(second) {
                return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
            }
        }
        // The next escape is one of its own.
        self.position = beforeSecond
        return nil
    }

    private mutating func fourHexadecimalDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = self.peek(), let digit = hexadecimalValue(byte) else {
                throw self.failure("four hexadecimal digits after \\u")
            }
            value = value << 4 | UInt32(digit)
            self.position += 1
        }
        return value
    }

    // MARK: Numbers and the rest

    /// Reads the number that begins here, at a digit or a minus. Returns its value where it is written as a whole
    /// number without sign, fraction or exponent and fits into 63 bits; nil for any other number.
    package mutating func number() throws(JSONError) -> Int64? {
        var isPlain = true
        var value: Int64 = 0
        if self.peek() == UInt8(ascii: "-") {
            isPlain = false
            self.position += 1
        }
        if self.peek() == UInt8(ascii: "0") {
            self.position += 1
        } else {
            let start = self.position
            while let byte = self.peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                let (tens, first) = value.multipliedReportingOverflow(by: 10)
                let (sum, second) = tens.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
                if first || second { isPlain = false }
                value = sum
                self.position += 1
            }
            if self.position == start { throw self.failure("a digit") }
        }
        if self.peek() == UInt8(ascii: ".") {
            isPlain = false
            self.position += 1
            try self.digits()
        }
        if let byte = self.peek(), byte | 0x20 == UInt8(ascii: "e") {
            isPlain = false
            self.position += 1
            if let sign = self.peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { self.position += 1 }
            try self.digits()
        }
        return isPlain ? value : nil
    }

    private mutating func digits() throws(JSONError) {
        let start = self.position
        while let byte = self.peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { self.position += 1 }
        if self.position == start { throw self.failure("a digit") }
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        let start = self.position
        for index in 0..<word.utf8CodeUnitCount {
            // A literal's bytes live as long as the program, and the index stays within them.
            guard self.peek() == word.utf8Start[index] else {
                self.position = start
                throw self.failure("a value")
            }
            self.position += 1
        }
    }

    /// Skips the value that begins here, of any kind. Returns false where a string in it is not Unicode.
    package mutating func skipValue() throws(JSONError) -> Bool {
        guard let byte = self.peek() else { throw self.failure("a value") }
        var isUnicode = true
        switch byte {
        case UInt8(ascii: "\""):
            isUnicode = try self.string().isUnicode
        case UInt8(ascii: "{"):
            try self.open()
            var isFirst = true
            while let key = try self.nextKey(isFirst: isFirst) {
                isFirst = false
                if !key.isUnicode { isUnicode = false }
                if !(try self.skipValue()) { isUnicode = false }
            }
        case UInt8(ascii: "["):
            try self.open()
            var isFirst = true
            while try self.nextElement(isFirst: isFirst) {
                isFirst = false
                if !(try self.skipValue()) { isUnicode = false }
            }
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try self.number()
        case UInt8(ascii: "t"): try self.literal("true")
        case UInt8(ascii: "f"): try self.literal("false")
        case UInt8(ascii: "n"): try self.literal("null")
        default: throw self.failure("a value")
        }
        return isUnicode
    }
}
