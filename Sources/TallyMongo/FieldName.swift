import TallyCore

/// Names as field names in a document.
///
/// MongoDB gives `.`, `$` and the empty name meanings of their own, so every byte outside `[A-Za-z0-9_-]` is written
/// `%XX`, with upper-case hexadecimal digits. Two names have the same field name only where their bytes are the same.
enum FieldName {
    static func encode(_ name: Name) -> String {
        if name.string.utf8.allSatisfy(isPlain) { return name.string }
        var encoded: [UInt8] = []
        encoded.reserveCapacity(3 * name.string.utf8.count)
        for byte in name.string.utf8 {
            if isPlain(byte) {
                encoded.append(byte)
            } else {
                encoded.append(UInt8(ascii: "%"))
                encoded.append(digits[Int(byte >> 4)])
                encoded.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// The name that stands behind a field name; nil where `encode` did not write it.
    static func decode(_ field: String) -> Name? {
        if field.utf8.allSatisfy(isPlain) { return Name(field) }
        var decoded: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digits.firstIndex),
                let low = rest.popFirst().flatMap(digits.firstIndex)
            else { return nil }
            decoded.append(UInt8(high << 4 | low))
        }
        guard let string = String(validating: decoded, as: UTF8.self) else { return nil }
        let name = Name(string)
        // What can be written in one way only cannot mean two counters.
        return self.encode(name).utf8.elementsEqual(field.utf8) ? name : nil
    }

    private static let digits = Array("0123456789ABCDEF".utf8)

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A)
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
