import NIOCore

/// A reply of Redis, as RESP2 has it. Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
public enum RedisReply: Sendable, Equatable {
    /// A simple string or a bulk string, as bytes.
    case string([UInt8])
    case integer(Int64)
    case array([RedisReply])
    case null
    case error(String)

    /// The text of a string; the digits of an integer.
    public var text: String? {
        switch self {
        case .string(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer(let value): String(value)
        default: nil
        }
    }

    /// An integer, or a string that holds one.
    public var integer: Int64? { self.text.flatMap { Int64($0) } }

    public var array: [RedisReply]? { if case .array(let elements) = self { elements } else { nil } }

    public var isNull: Bool { self == .null }

    public var isError: Bool { if case .error = self { true } else { false } }

    /// An array of fields and values (the reply to HGETALL) as pairs.
    public var pairs: [(field: [UInt8], value: [UInt8])]? {
        guard let elements = self.array, elements.count.isMultiple(of: 2) else { return nil }
        var pairs: [(field: [UInt8], value: [UInt8])] = []
        for index in stride(from: 0, to: elements.count, by: 2) {
            guard case .string(let field) = elements[index], case .string(let value) = elements[index + 1] else {
                return nil
            }
            pairs.append((field, value))
        }
        return pairs
    }
}

extension RedisReply {
    /// A command as RESP2 wants it: an array of bulk strings.
    static func encode(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.count)\r\n".utf8)
            bytes += word
            bytes += Array("\r\n".utf8)
        }
        return bytes
    }

    /// Takes one reply from the buffer; nil, with the buffer untouched, where it is not complete yet.
    static func decode(_ buffer: inout ByteBuffer) throws -> RedisReply? {
        var rest = buffer
        guard let reply = try self.decodeRest(&rest) else { return nil }
        buffer = rest
        return reply
    }

    private static func decodeRest(_ buffer: inout ByteBuffer) throws -> RedisReply? {
        guard let line = try self.readLine(&buffer), let type = line.first else { return nil }
        let rest = String(line.dropFirst())
        switch type {
        case "+": return .string(Array(rest.utf8))
        case "-": return .error(rest)
        case ":": return .integer(try self.number(rest))
        case "$":
            let length = Int(try self.number(rest))
            guard length >= 0 else { return .null }
            guard let bytes = buffer.readBytes(length: length), buffer.readBytes(length: 2) != nil else { return nil }
            return .string(bytes)
        case "*":
            let count = Int(try self.number(rest))
            guard count >= 0 else { return .null }
            var elements: [RedisReply] = []
            for _ in 0..<count {
                guard let element = try self.decodeRest(&buffer) else { return nil }
                elements.append(element)
            }
            return .array(elements)
        default: throw TestSupportError("Redis sent what is not RESP2: \(line)")
        }
    }

    private static func readLine(_ buffer: inout ByteBuffer) throws -> String? {
        guard let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\r")) else { return nil }
        let length = end - buffer.readerIndex
        guard buffer.readableBytes >= length + 2 else { return nil }
        let line = buffer.readString(length: length)
        buffer.moveReaderIndex(forwardBy: 2)
        guard let line, !line.isEmpty else { throw TestSupportError("Redis sent an empty line") }
        return line
    }

    private static func number(_ text: String) throws -> Int64 {
        guard let value = Int64(text) else { throw TestSupportError("Redis sent \(text) for a number") }
        return value
    }
}
