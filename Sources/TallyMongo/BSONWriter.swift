/// Writes one BSON document, front to back, into an array of bytes (https://bsonspec.org/spec.html, version 1.1).
///
/// Only the types that tally writes. Within a document every method takes a key, within an array none: there the keys
/// are the positions. Keys hold no zero byte: they are constants of this module or encoded names (`FieldName`).
struct BSONWriter {
    private(set) var bytes: [UInt8]
    /// The next position, while an array is being written.
    private var position = 0

    /// Begins a document. Unit of `reservingBytes`: bytes that are likely to be needed.
    private init(reservingBytes: Int) {
        self.bytes = []
        self.bytes.reserveCapacity(reservingBytes)
        self.bytes.append(contentsOf: [0, 0, 0, 0])
    }

    /// Writes a whole document.
    static func document(reservingBytes: Int = 256, _ body: (inout BSONWriter) -> Void) -> BSONDocument {
        var writer = BSONWriter(reservingBytes: reservingBytes)
        body(&writer)
        writer.finish(from: 0)
        return BSONDocument(bytes: writer.bytes[...])
    }

    // MARK: Elements of a document

    mutating func int64(_ key: String, _ value: Int64) { self.integer(.int64, key, value) }

    mutating func int32(_ key: String, _ value: Int32) { self.integer(.int32, key, value) }

    /// Unit: seconds since 1970; BSON keeps milliseconds.
    mutating func date(_ key: String, secondsSince1970: Int64) { self.integer(.date, key, secondsSince1970 &* 1000) }

    mutating func bool(_ key: String, _ value: Bool) { self.integer(.bool, key, value ? 1 as UInt8 : 0) }

    mutating func string(_ key: String, _ value: String) { self.text(key, value) }

    mutating func document(_ key: String, _ body: (inout BSONWriter) -> Void) { self.nested(.document, key, body) }

    mutating func array(_ key: String, _ body: (inout BSONWriter) -> Void) { self.nested(.array, key, body) }

    /// Writes `key: {operator: [operands]}`, the form of most aggregation expressions.
    mutating func expression(_ key: String, _ operator: String, operands: (inout BSONWriter) -> Void) {
        self.document(key) { $0.array(`operator`, operands) }
    }

    // MARK: Elements of an array

    mutating func int64(_ value: Int64) { self.integer(.int64, nil, value) }

    mutating func date(secondsSince1970: Int64) { self.integer(.date, nil, secondsSince1970 &* 1000) }

    mutating func string(_ value: String) { self.text(nil, value) }

    mutating func document(_ body: (inout BSONWriter) -> Void) { self.nested(.document, nil, body) }

    mutating func array(_ body: (inout BSONWriter) -> Void) { self.nested(.array, nil, body) }

    /// Writes `{operator: [operands]}`.
    mutating func expression(_ operator: String, operands: (inout BSONWriter) -> Void) {
        self.document { $0.array(`operator`, operands) }
    }

    // MARK: The bytes

    private mutating func nested(_ type: BSONType, _ key: String?, _ body: (inout BSONWriter) -> Void) {
        self.begin(type, key)
        let start = self.bytes.count
        let outerPosition = self.position
        self.position = 0
        self.append(0 as UInt32)
        body(&self)
        self.finish(from: start)
        self.position = outerPosition
    }

    private mutating func finish(from start: Int) {
        self.bytes.append(0)
        self.patchLength(at: start, to: self.bytes.count - start)
    }

    private mutating func begin(_ type: BSONType, _ key: String?) {
        self.bytes.append(type.rawValue)
        if let key {
            self.bytes.append(contentsOf: key.utf8)
        } else {
            self.bytes.append(contentsOf: String(self.position).utf8)
            self.position += 1
        }
        self.bytes.append(0)
    }

    private mutating func integer(_ type: BSONType, _ key: String?, _ value: some FixedWidthInteger) {
        self.begin(type, key)
        self.append(value)
    }

    private mutating func text(_ key: String?, _ value: String) {
        self.begin(.string, key)
        let lengthAt = self.bytes.count
        self.append(0 as UInt32)
        self.bytes.append(contentsOf: value.utf8)
        self.bytes.append(0)
        self.patchLength(at: lengthAt, to: self.bytes.count - lengthAt - 4)
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { self.bytes.append(contentsOf: $0) }
    }

    private mutating func patchLength(at offset: Int, to length: Int) {
        // A document that outgrew 2 GiB would be a bug: commands are cut at a few megabytes.
        let length = UInt32(length)
        for index in 0..<4 { self.bytes[offset + index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
    }
}

/// The type bytes of BSON elements that tally writes or reads.
enum BSONType: UInt8 {
    case double = 0x01
    case string = 0x02
    case document = 0x03
    case array = 0x04
    case objectID = 0x07
    case bool = 0x08
    case date = 0x09
    case null = 0x0A
    case int32 = 0x10
    case int64 = 0x12
}
