/// The encoding of `application/x-www-form-urlencoded`: `%XX` is a byte, `+` is a space, anything else is itself.
///
/// Source: https://url.spec.whatwg.org/#urlencoded-parsing, but for a `%` without two hexadecimal digits, which is
/// refused here and left as it is there.
enum PercentEncoding {
    /// Appends the decoded bytes to `output`. Returns false at the first broken `%`; what was appended is then useless.
    static func decode(_ encoded: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Bool {
        var position = 0
        while position < encoded.count {
            let byte = encoded[position]
            if byte == UInt8(ascii: "%") {
                // Both digits must lie within the buffer, which is not checked again in a release build.
                guard position + 2 < encoded.count,
                    let high = hexadecimalValue(encoded[position + 1]),
                    let low = hexadecimalValue(encoded[position + 2])
                else { return false }
                output.append(high << 4 | low)
                position += 3
            } else {
                output.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                position += 1
            }
        }
        return true
    }

    /// Whether every `%` is followed by two hexadecimal digits.
    static func isWhole(_ encoded: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < encoded.count {
            if encoded[position] == UInt8(ascii: "%") {
                guard position + 2 < encoded.count,
                    hexadecimalValue(encoded[position + 1]) != nil, hexadecimalValue(encoded[position + 2]) != nil
                else { return false }
                position += 3
            } else {
                position += 1
            }
        }
        return true
    }
}

/// The value of a hexadecimal digit, 0 to 15, or nil.
@inline(__always)
func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
