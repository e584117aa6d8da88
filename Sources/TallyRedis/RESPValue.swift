/// A reply of Redis in RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/).
enum RESPValue: Sendable, Equatable {
    case string([UInt8])
    case integer(Int64)
    case array([RESPValue])
    case null
    case error(String)

    /// The bytes of a bulk or simple string, else nil.
    var bytes: [UInt8]? {
        if case .string(let bytes) = self { bytes } else { nil }
    }

    /// The text of a bulk or simple string, else nil.
    var text: String? { self.bytes.map { String(decoding: $0, as: UTF8.self) } }

    var array: [RESPValue]? {
        if case .array(let values) = self { values } else { nil }
    }

    var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }
}
