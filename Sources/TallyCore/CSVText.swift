/// Cells of CSV.
///
/// - Source: RFC 4180, https://www.rfc-editor.org/rfc/rfc4180
public enum CSVText {
    /// A name as a cell, in quotation marks where it needs them. Names hold no line breaks.
    public static func cell(_ name: Name) -> String {
        let text = name.string
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) else { return text }
        return "\"" + String(decoding: text.utf8.flatMap { $0 == UInt8(ascii: "\"") ? [$0, $0] : [$0] }, as: UTF8.self)
            + "\""
    }
}
