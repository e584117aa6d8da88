import CHiredis
import NIOCore

/// Splits the bytes that come from Redis into replies. The one owner of hiredis' reader, and the only file that
/// imports it: https://github.com/redis/hiredis#reply-parsing-api
///
/// Confined to the thread that made it.
struct RESPReader: ~Copyable {
    struct ProtocolError: Error, CustomStringConvertible {
        let description: String
    }

    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        guard let reader = redisReaderCreate() else { fatalError("out of memory for a reply reader") }
        self.reader = reader
    }

    deinit { redisReaderFree(self.reader) }

    /// Takes bytes from the socket.
    mutating func feed(_ buffer: ByteBuffer) throws(ProtocolError) {
        let status = buffer.withUnsafeReadableBytes { bytes in
            // hiredis copies the bytes before it returns, so the pointer need not outlive the call.
            redisReaderFeed(self.reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw self.error() }
    }

    /// The next whole reply, or nil where more bytes are needed.
    mutating func next() throws(ProtocolError) -> RESPValue? {
        var raw: UnsafeMutableRawPointer?
        guard redisReaderGetReply(self.reader, &raw) == REDIS_OK else { throw self.error() }
        guard let raw else { return nil }
        defer { freeReplyObject(raw) }
        // hiredis' own reply functions are in use (redisReaderCreate), so what they made is a redisReply.
        return Self.value(of: raw.assumingMemoryBound(to: redisReply.self).pointee)
    }

    private func error() -> ProtocolError {
        ProtocolError(
            description: withUnsafeBytes(of: self.reader.pointee.errstr) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            })
    }

    private static func value(of reply: redisReply) -> RESPValue {
        switch reply.type {
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: .string(self.bytes(of: reply))
        case REDIS_REPLY_INTEGER: .integer(reply.integer)
        case REDIS_REPLY_ERROR: .error(String(decoding: self.bytes(of: reply), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            .array(
                (0..<Int(reply.elements)).map { index in
                    guard let element = reply.element[index] else { return .null }
                    return self.value(of: element.pointee)
                })
        default: .null
        }
    }

    private static func bytes(of reply: redisReply) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: reply.str, count: Int(reply.len)))
    }
}
