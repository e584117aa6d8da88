/// Documents as bytes and back. Source: https://bsonspec.org/spec.html
extension BSONDocument {
    func encoded() -> [UInt8] {
        var body: [UInt8] = []
        for field in self.fields {
            body.append(field.value.typeByte)
            body += Array(field.name.utf8) + [0]
            body += field.value.encoded()
        }
        return Self.bytes(of: Int32(body.count + 5)) + body + [0]
    }

    /// - Throws: `TestSupportError` where the bytes are no document, or hold a type that tally has no use for.
    init(decoding bytes: ArraySlice<UInt8>) throws {
        var reader = Reader(bytes: bytes)
        self = try reader.document()
    }

    static func bytes<Value: FixedWidthInteger>(of value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}

extension BSONValue {
    fileprivate var typeByte: UInt8 {
        switch self {
        case .double: 0x01
        case .string: 0x02
        case .document: 0x03
        case .array: 0x04
        case .binary: 0x05
        case .objectID: 0x07
        case .bool: 0x08
        case .date: 0x09
        case .null: 0x0A
        case .int32: 0x10
        case .timestamp: 0x11
        case .int64: 0x12
        }
    }

    fileprivate func encoded() -> [UInt8] {
        switch self {
        case .double(let value): BSONDocument.bytes(of: value.bitPattern)
        case .string(let value): BSONDocument.bytes(of: Int32(value.utf8.count + 1)) + Array(value.utf8) + [0]
        case .document(let value): value.encoded()
        case .array(let values): BSONDocument(values.enumerated().map { (String($0.offset), $0.element) }).encoded()
        case .binary(let subtype, let bytes): BSONDocument.bytes(of: Int32(bytes.count)) + [subtype] + bytes
        case .objectID(let bytes): bytes
        case .bool(let value): [value ? 1 : 0]
        case .date(let value): BSONDocument.bytes(of: value)
        case .null: []
        case .int32(let value): BSONDocument.bytes(of: value)
        case .timestamp(let value): BSONDocument.bytes(of: value)
        case .int64(let value): BSONDocument.bytes(of: value)
        }
    }
}

private struct Reader {
    var bytes: ArraySlice<UInt8>

    mutating func document() throws -> BSONDocument {
        let length = Int(try self.number(Int32.self))
        guard length >= 5 else { throw TestSupportError("a BSON document of \(length) bytes") }
        var inner = Reader(bytes: try self.take(length - 4))
        var document = BSONDocument()
        while let type = inner.bytes.popFirst(), type != 0 {
            let name = try inner.untilZero()
            document.fields.append((name, try inner.value(type)))
        }
        return document
    }

    private mutating func value(_ type: UInt8) throws -> BSONValue {
        switch type {
        case 0x01: return .double(Double(bitPattern: try self.number(UInt64.self)))
        case 0x02:
            let length = Int(try self.number(Int32.self))
            guard length >= 1 else { throw TestSupportError("a BSON string of \(length) bytes") }
            return .string(String(decoding: try self.take(length).dropLast(), as: UTF8.self))
        case 0x03: return .document(try self.document())
        case 0x04: return .array(try self.document().fields.map(\.value))
        case 0x05:
            let length = Int(try self.number(Int32.self))
            let subtype = try self.number(UInt8.self)
            return .binary(subtype: subtype, bytes: Array(try self.take(length)))
        case 0x07: return .objectID(Array(try self.take(12)))
        case 0x08: return .bool(try self.number(UInt8.self) != 0)
        case 0x09: return .date(millisecondsSince1970: try self.number(Int64.self))
        case 0x0A: return .null
        case 0x10: return .int32(try self.number(Int32.self))
        case 0x11: return .timestamp(try self.number(UInt64.self))
        case 0x12: return .int64(try self.number(Int64.self))
        default: throw TestSupportError("BSON type \(type) is not among those that the tests read")
        }
    }

    private mutating func number<Value: FixedWidthInteger>(_: Value.Type) throws -> Value {
        let bytes = try self.take(MemoryLayout<Value>.size)
        return bytes.reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    private mutating func untilZero() throws -> String {
        guard let end = self.bytes.firstIndex(of: 0) else { throw TestSupportError("a BSON name without an end") }
        defer { self.bytes = self.bytes[(end + 1)...] }
        return String(decoding: self.bytes[..<end], as: UTF8.self)
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, self.bytes.count >= count else { throw TestSupportError("BSON that ends too early") }
        defer { self.bytes = self.bytes.dropFirst(count) }
        return self.bytes.prefix(count)
    }
}
