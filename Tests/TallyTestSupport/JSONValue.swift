/// JSON with the fields of objects in their order and by their bytes.
///
/// Foundation puts objects into dictionaries of `String`, for which "é" and "e" with a combining accent are one key, so
/// two variations would come back as one. Source: RFC 8259.
public enum JSONValue: Sendable, Equatable {
    case object([Field])
    case array([JSONValue])
    case string(String)
    case number(String)
    case bool(Bool)
    case null

    public struct Field: Sendable, Equatable {
        public let name: String
        public let value: JSONValue

        public static func == (left: Field, right: Field) -> Bool {
            left.name.utf8.elementsEqual(right.name.utf8) && left.value == right.value
        }
    }

    /// - Throws: `TestSupportError` where the bytes are not JSON, or an object has the same name twice.
    public init(parsing bytes: some Collection<UInt8>) throws {
        var parser = Parser(bytes: ArraySlice(bytes))
        self = try parser.whole()
    }

    public subscript(name: String) -> JSONValue? {
        self.fields?.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    public subscript(index: Int) -> JSONValue? {
        guard let elements = self.array, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    public var fields: [Field]? { if case .object(let fields) = self { fields } else { nil } }
    public var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    public var string: String? { if case .string(let string) = self { string } else { nil } }
    public var integer: Int64? { if case .number(let digits) = self { Int64(digits) } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.object(let left), .object(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.number(let left), .number(let right)): left == right
        case (.bool(let left), .bool(let right)): left == right
        case (.null, .null): true
        default: false
        }
    }

    /// A text as a JSON string, quotes included.
    public static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

private struct Parser {
    var bytes: ArraySlice<UInt8>

    mutating func whole() throws -> JSONValue {
        let value = try self.value()
        self.skipSpace()
        guard self.bytes.isEmpty else { throw self.fault("more after the end") }
        return value
    }

    private mutating func value() throws -> JSONValue {
        self.skipSpace()
        switch self.bytes.first {
        case UInt8(ascii: "{"): return try self.object()
        case UInt8(ascii: "["): return try self.array()
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "t"): return try self.word("true", .bool(true))
        case UInt8(ascii: "f"): return try self.word("false", .bool(false))
        case UInt8(ascii: "n"): return try self.word("null", .null)
        default: return try self.number()
        }
    }

    private mutating func object() throws -> JSONValue {
        var fields: [JSONValue.Field] = []
        self.bytes.removeFirst()
        if self.take("}") { return .object([]) }
        repeat {
            self.skipSpace()
            let name = try self.string()
            guard self.take(":") else { throw self.fault("no colon after a name") }
            guard !fields.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
                throw self.fault("the name \(name) twice")
            }
            fields.append(JSONValue.Field(name: name, value: try self.value()))
        } while self.take(",")
        guard self.take("}") else { throw self.fault("an object without an end") }
        return .object(fields)
    }

    private mutating func array() throws -> JSONValue {
        var elements: [JSONValue] = []
        self.bytes.removeFirst()
        if self.take("]") { return .array([]) }
        repeat { elements.append(try self.value()) } while self.take(",")
        guard self.take("]") else { throw self.fault("an array without an end") }
        return .array(elements)
    }

    private mutating func string() throws -> String {
        guard self.bytes.popFirst() == UInt8(ascii: "\"") else { throw self.fault("no quote before a string") }
        var text: [UInt8] = []
        while let byte = self.bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw self.fault("text that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): text += Array(String(try self.escape()).utf8)
            case 0..<0x20: throw self.fault("a control character in a string")
            default: text.append(byte)
            }
        }
        throw self.fault("a string without an end")
    }

    private mutating func escape() throws -> Unicode.Scalar {
        switch self.bytes.popFirst() {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var code = try self.fourDigits()
            if (0xD800..<0xDC00).contains(code), self.bytes.starts(with: Array("\\u".utf8)) {
                self.bytes = self.bytes.dropFirst(2)
                code = 0x10000 + (code - 0xD800) << 10 + (try self.fourDigits()) &- 0xDC00
            }
            guard let scalar = Unicode.Scalar(code) else { throw self.fault("half a surrogate pair") }
            return scalar
        default: throw self.fault("an unknown escape")
        }
    }

    private mutating func fourDigits() throws -> UInt32 {
        let digits = String(decoding: self.bytes.prefix(4), as: UTF8.self)
        guard digits.utf8.count == 4, let code = UInt32(digits, radix: 16) else { throw self.fault("a broken \\u") }
        self.bytes = self.bytes.dropFirst(4)
        return code
    }

    private mutating func number() throws -> JSONValue {
        let digits = self.bytes.prefix { "+-.0123456789eE".utf8.contains($0) }
        let text = String(decoding: digits, as: UTF8.self)
        guard Double(text) != nil else { throw self.fault("no value") }
        self.bytes = self.bytes.dropFirst(digits.count)
        return .number(text)
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws -> JSONValue {
        guard self.bytes.starts(with: word.utf8) else { throw self.fault("an unknown word") }
        self.bytes = self.bytes.dropFirst(word.utf8.count)
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        self.skipSpace()
        guard self.bytes.first == UInt8(ascii: character) else { return false }
        self.bytes.removeFirst()
        return true
    }

    private mutating func skipSpace() {
        self.bytes = self.bytes.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
    }

    private func fault(_ what: String) -> TestSupportError {
        TestSupportError("not JSON: \(what), before \(String(decoding: self.bytes.prefix(40), as: UTF8.self))")
    }
}
