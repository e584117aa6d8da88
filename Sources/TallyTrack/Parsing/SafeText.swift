/// Shows bytes that a caller sent in a way that is safe in an answer, a log line and a terminal.
enum SafeText {
    /// How many bytes of the input are shown.
    static let maximumBytes = 64

    /// Printable ASCII as it is, every other byte and the backslash as `\xNN`, cut after 64 bytes of input with `...`.
    static func show(_ bytes: some Collection<UInt8>) -> String {
        var text = ""
        for byte in bytes.prefix(self.maximumBytes) {
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
            }
        }
        return bytes.count > self.maximumBytes ? text + "..." : text
    }
}
