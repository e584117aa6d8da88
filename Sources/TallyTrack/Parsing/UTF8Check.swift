/// Finds text that is not UTF-8, and where, without making a String of it.
package enum UTF8Check {
    /// The offset of the first byte that does not belong to well-formed UTF-8, or nil where all do.
    ///
    /// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
    package static func firstFault(in bytes: UnsafeRawBufferPointer) -> Int? {
        let count = bytes.count
        var position = 0
        while position < count {
            // Eight bytes of ASCII at a time; the comparison keeps the load within the buffer.
            if position + 8 <= count,
                bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                position += 8
                continue
            }
            let first = bytes[position]
            if first < 0x80 {
                position += 1
                continue
            }
            let length: Int
            // What the second byte may be; all later ones may be 80 to BF.
            let second: ClosedRange<UInt8>
            switch first {
            case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: return position
            }
            guard position + length <= count, second.contains(bytes[position + 1]) else { return position }
            for index in position + 2..<position + length where bytes[index] & 0xC0 != 0x80 { return position }
            position += length
        }
        return nil
    }
}
