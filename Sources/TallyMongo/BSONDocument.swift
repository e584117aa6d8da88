/// A BSON document as it came from the server, or as it goes there (https://bsonspec.org/spec.html, version 1.1).
struct BSONDocument: Sendable {
    let bytes: ArraySlice<UInt8>

    init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    static let empty = BSONWriter.document { _ in }

    /// The elements in their order. An array's elements have their positions as keys.
    /// - Throws: `BSONFault` where the bytes are not BSON.
    func elements() throws(BSONFault) -> [(key: String, value: BSONValue)] {
        var reader = try BSONReader(self.bytes)
        var elements: [(key: String, value: BSONValue)] = []
        while let element = try reader.next() { elements.append(element) }
        return elements
    }

    /// The value of the first element of this name; nil where there is none.
    /// - Throws: `BSONFault` where the bytes up to there are not BSON.
    func value(_ key: String) throws(BSONFault) -> BSONValue? {
        var reader = try BSONReader(self.bytes)
        while let element = try reader.next() {
            if element.key.utf8.elementsEqual(key.utf8) { return element.value }
        }
        return nil
    }
}

extension BSONDocument {
    /// - Throws: `BSONFault` where there is no such number.
    func wholeNumber(_ key: String) throws(BSONFault) -> Int64 {
        guard let number = try self.value(key)?.wholeNumber else {
            throw BSONFault(what: "\(key) is not a whole number")
        }
        return number
    }

    /// - Throws: `BSONFault` where there is no such date.
    func secondsSince1970(_ key: String) throws(BSONFault) -> Int64 {
        guard case .date(let milliseconds) = try self.value(key) else { throw BSONFault(what: "\(key) is not a date") }
        return Int64((Double(milliseconds) / 1000).rounded(.down))
    }

    /// - Throws: `BSONFault` where there is no such text.
    func string(_ key: String) throws(BSONFault) -> String {
        guard case .string(let text) = try self.value(key) else { throw BSONFault(what: "\(key) is not a string") }
        return text
    }

    /// Empty where there is none.
    func subdocument(_ key: String) throws(BSONFault) -> BSONDocument {
        switch try self.value(key) {
        case .document(let document): document
        case nil: .empty
        default: throw BSONFault(what: "\(key) is not a document")
        }
    }
}

/// A value in a document; the types that tally never writes are all `.other`, with their type byte.
enum BSONValue: Sendable {
    case double(Double)
    case string(String)
    case document(BSONDocument)
    case array(BSONDocument)
    case bool(Bool)
    /// Milliseconds since 1970.
    case date(Int64)
    case null
    case integer(Int64)
    /// 12 bytes.
    case objectID([UInt8])
    case other(UInt8)

    /// A whole number, whichever of BSON's number types holds it; nil for anything else.
    var wholeNumber: Int64? {
        switch self {
        case .integer(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }
}

/// The bytes are not what the BSON specification says.
struct BSONFault: Error {
    let what: String
}

/// Reads the elements of one document. Every length is checked against what is there.
private struct BSONReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) throws(BSONFault) {
        self.rest = bytes
        let length = Int(try self.integer(as: Int32.self))
        guard length == bytes.count, length >= 5, bytes.last == 0 else {
            throw BSONFault(what: "a document's length is wrong")
        }
        self.rest = self.rest.dropLast()
    }

    mutating func next() throws(BSONFault) -> (key: String, value: BSONValue)? {
        guard let type = self.rest.popFirst() else { return nil }
        let key = try self.zeroTerminated()
        return (key, try self.value(ofType: type))
    }

    private mutating func value(ofType type: UInt8) throws(BSONFault) -> BSONValue {
        switch BSONType(rawValue: type) {
        case .double: return .double(Double(bitPattern: try self.integer(as: UInt64.self)))
        case .string:
            let bytes = try self.take(Int(try self.integer(as: Int32.self)))
            guard bytes.last == 0, let string = String(validating: bytes.dropLast(), as: UTF8.self) else {
                throw BSONFault(what: "a string is not UTF-8")
            }
            return .string(string)
        case .document: return .document(try self.embedded())
        case .array: return .array(try self.embedded())
        case .bool: return .bool(try self.integer(as: UInt8.self) != 0)
        case .date: return .date(try self.integer(as: Int64.self))
        case .null: return .null
        case .int32: return .integer(Int64(try self.integer(as: Int32.self)))
        case .int64: return .integer(try self.integer(as: Int64.self))
        case .objectID: return .objectID(Array(try self.take(12)))
        case nil:
            try self.skip(type)
            return .other(type)
        }
    }

    /// Steps over a value that tally has no use for, such as the cluster time in a reply.
    private mutating func skip(_ type: UInt8) throws(BSONFault) {
        switch type {
        case 0x06, 0x7F, 0xFF: break  // undefined, largest and smallest key
        case 0x11: _ = try self.take(8)  // timestamp
        case 0x13: _ = try self.take(16)  // decimal
        case 0x05: _ = try self.take(Int(try self.integer(as: Int32.self)) + 1)  // binary, with its subtype
        case 0x0D, 0x0E: _ = try self.take(Int(try self.integer(as: Int32.self)))  // code, symbol
        case 0x0C: _ = try self.take(Int(try self.integer(as: Int32.self)) + 12)  // pointer
        case 0x0F: _ = try self.take(Int(try self.integer(as: Int32.self)) - 4)  // code with scope
        case 0x0B:  // regular expression
            _ = try self.zeroTerminated()
            _ = try self.zeroTerminated()
        default: throw BSONFault(what: "unknown type \(type)")
        }
    }

    private mutating func embedded() throws(BSONFault) -> BSONDocument {
        var ahead = self
        let length = Int(try ahead.integer(as: Int32.self))
        return BSONDocument(bytes: try self.take(length))
    }

    private mutating func zeroTerminated() throws(BSONFault) -> String {
        guard let end = self.rest.firstIndex(of: 0),
            let string = String(validating: self.rest[..<end], as: UTF8.self)
        else { throw BSONFault(what: "a key is not UTF-8 with a zero at its end") }
        self.rest = self.rest[(end + 1)...]
        return string
    }

    private mutating func integer<Value: FixedWidthInteger>(as: Value.Type) throws(BSONFault) -> Value {
        var value: Value = 0
        for byte in try self.take(MemoryLayout<Value>.size).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: byte)
        }
        return value
    }

    private mutating func take(_ count: Int) throws(BSONFault) -> ArraySlice<UInt8> {
        guard count >= 0, count <= self.rest.count else { throw BSONFault(what: "a value is cut off") }
        let taken = self.rest.prefix(count)
        self.rest = self.rest.dropFirst(count)
        return taken
    }
}
