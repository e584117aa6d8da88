/// A value as it lies in MongoDB, with its exact type.
public enum BSONValue: Sendable, Equatable {
    case double(Double)
    case string(String)
    case document(BSONDocument)
    case array([BSONValue])
    case binary(subtype: UInt8, bytes: [UInt8])
    /// 12 bytes.
    case objectID([UInt8])
    case bool(Bool)
    /// In milliseconds since 1970.
    case date(millisecondsSince1970: Int64)
    case null
    case int32(Int32)
    /// MongoDB's own type for its oplog, not a date.
    case timestamp(UInt64)
    case int64(Int64)

    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var document: BSONDocument? { if case .document(let value) = self { value } else { nil } }
    public var array: [BSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// Of an int64 alone; an int32 is nil, since it matters which one was stored.
    public var int64: Int64? { if case .int64(let value) = self { value } else { nil } }

    /// Of any number without a fraction.
    public var integer: Int64? {
        switch self {
        case .int32(let value): Int64(value)
        case .int64(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// Strings are compared by their bytes, as MongoDB does and Swift's `String` does not.
    public static func == (left: BSONValue, right: BSONValue) -> Bool {
        switch (left, right) {
        case (.double(let left), .double(let right)): left == right
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.document(let left), .document(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.binary(let leftType, let left), .binary(let rightType, let right)):
            leftType == rightType && left == right
        case (.objectID(let left), .objectID(let right)): left == right
        case (.bool(let left), .bool(let right)): left == right
        case (.date(let left), .date(let right)): left == right
        case (.null, .null): true
        case (.int32(let left), .int32(let right)): left == right
        case (.timestamp(let left), .timestamp(let right)): left == right
        case (.int64(let left), .int64(let right)): left == right
        default: false
        }
    }
}

extension BSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An int32, as commands want it; write `.int64(…)` for the other.
    public init(integerLiteral value: Int32) { self = .int32(value) }
}

extension BSONValue: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    public init(arrayLiteral elements: BSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, BSONValue)...) { self = .document(BSONDocument(elements)) }
}

/// Fields in their order. Names are compared by their bytes.
public struct BSONDocument: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public var fields: [(name: String, value: BSONValue)]

    public init(_ fields: [(String, BSONValue)] = []) { self.fields = fields.map { (name: $0.0, value: $0.1) } }

    public init(dictionaryLiteral elements: (String, BSONValue)...) { self.init(elements) }

    public var names: [String] { self.fields.map(\.name) }

    public subscript(name: String) -> BSONValue? {
        self.fields.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// Follows names through documents: `document["events", "purchase", "A"]`.
    public subscript(first: String, second: String, more: String...) -> BSONValue? {
        var value = self[first]?.document?[second]
        for name in more { value = value?.document?[name] }
        return value
    }

    public static func == (left: BSONDocument, right: BSONDocument) -> Bool {
        left.fields.count == right.fields.count
            && zip(left.fields, right.fields).allSatisfy {
                $0.name.utf8.elementsEqual($1.name.utf8) && $0.value == $1.value
            }
    }
}
