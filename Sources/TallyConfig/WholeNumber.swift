/// Whole numbers as people write them for a setting: digits alone.
enum WholeNumber {
    /// Nil for anything but digits: no sign, no separators, no leading zero (which some readers take for octal).
    static func parse(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
            return nil
        }
        if text.utf8.count > 1, text.utf8.first == UInt8(ascii: "0") { return nil }
        return Int(text)  // nil where it overflows
    }
}
