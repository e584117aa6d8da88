import NIOCore

/// Writes commands in RESP2: an array of bulk strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`.
extension ByteBuffer {
    private static let lineEnd: StaticString = "\r\n"

    mutating func writeRESPArray(count: Int) {
        self.writeInteger(UInt8(ascii: "*"))
        self.writeDecimal(Int64(count))
        self.writeStaticString(Self.lineEnd)
    }

    mutating func writeRESPBulk(_ bytes: some Collection<UInt8>) {
        self.writeInteger(UInt8(ascii: "$"))
        self.writeDecimal(Int64(bytes.count))
        self.writeStaticString(Self.lineEnd)
        self.writeBytes(bytes)
        self.writeStaticString(Self.lineEnd)
    }

    mutating func writeRESPBulk(_ text: String) { self.writeRESPBulk(text.utf8) }

    /// A number as a bulk string, written without making a String of it.
    mutating func writeRESPBulk(_ number: Int64) {
        self.writeInteger(UInt8(ascii: "$"))
        self.writeDecimal(Int64(Self.decimalDigits(number)))
        self.writeStaticString(Self.lineEnd)
        self.writeDecimal(number)
        self.writeStaticString(Self.lineEnd)
    }

    private static func decimalDigits(_ number: Int64) -> Int {
        var digits = number < 0 ? 2 : 1
        var rest = number.magnitude / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        return digits
    }

    private mutating func writeDecimal(_ number: Int64) {
        let digits = Self.decimalDigits(number)
        self.reserveCapacity(minimumWritableBytes: digits)
        // Exactly `digits` bytes are reserved above and written below, from the last to the first.
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: digits) { bytes in
            var rest = number.magnitude
            var position = digits - 1
            repeat {
                bytes[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
                position -= 1
            } while rest > 0
            if number < 0 { bytes[0] = UInt8(ascii: "-") }
            return digits
        }
    }
}
