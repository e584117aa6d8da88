/// Writes JSON where the order of keys, and every byte of a name, must come out as it went in.
///
/// - Source: RFC 8259, section 7, https://www.rfc-editor.org/rfc/rfc8259#section-7
public struct JSONText {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// A string with its quotes.
    public static func string(_ text: String) -> String {
        var json = JSONText()
        json.string(text)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// Writes what is JSON already.
    public mutating func raw(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    /// Writes a string with its quotes.
    public mutating func string(_ text: String) {
        self.bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                self.bytes.append(UInt8(ascii: "\\"))
                self.bytes.append(byte)
            case 0x0A: self.raw("\\n")
            case ..<0x20:
                let digits = String(byte, radix: 16)
                self.raw("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
            default: self.bytes.append(byte)
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }
}
