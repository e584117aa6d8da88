/// The forms in which /track takes a body.
public enum TrackContentType: Sendable, Equatable {
    case form, json, ndjson

    /// Reads the value of a Content-Type field, in any case and with parameters (RFC 9110, section 8.3.1).
    ///
    /// `text/plain` counts as JSON, because `navigator.sendBeacon` declares a string so. Returns nil, to be answered
    /// with 415, for any other type and for a `charset` other than UTF-8.
    public init?(headerValue: String) {
        var rest = headerValue.utf8[...]
        let type = Self.trimmed(rest.prefix { $0 != UInt8(ascii: ";") })
        if Self.equal(type, "application/x-www-form-urlencoded") {
            self = .form
        } else if Self.equal(type, "application/json") || Self.equal(type, "text/plain") {
            self = .json
        } else if Self.equal(type, "application/x-ndjson") || Self.equal(type, "application/ndjson")
            || Self.equal(type, "application/jsonl")
        {
            self = .ndjson
        } else {
            return nil
        }
        rest = rest.drop { $0 != UInt8(ascii: ";") }
        while !rest.isEmpty {
            let parameter = Self.nextParameter(in: &rest)
            let name = Self.trimmed(parameter.prefix { $0 != UInt8(ascii: "=") })
            guard Self.equal(name, "charset") else { continue }
            let value = Self.trimmed(parameter.drop { $0 != UInt8(ascii: "=") }.dropFirst())
            guard Self.equal(value, "utf-8") || Self.equal(value, "\"utf-8\"") else { return nil }
        }
    }

    /// Takes the next parameter, which ends at a semicolon outside of quotation marks.
    private static func nextParameter(in rest: inout Substring.UTF8View) -> Substring.UTF8View {
        rest = rest.dropFirst()
        var isQuoted = false
        var isEscaped = false
        let parameter = rest.prefix { byte in
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            }
            return isQuoted || byte != UInt8(ascii: ";")
        }
        rest = rest[parameter.endIndex...]
        return parameter
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        var text = text
        while let first = text.first, first == 0x20 || first == 0x09 { text.removeFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return text
    }

    /// Whether the text is `literal`, which is in lower case, in any case.
    private static func equal(_ text: Substring.UTF8View, _ literal: StaticString) -> Bool {
        guard text.count == literal.utf8CodeUnitCount else { return false }
        // A literal's bytes live as long as the program.
        let bytes = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        return zip(text, bytes).allSatisfy { byte, expected in
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            return (isUpper ? byte | 0x20 : byte) == expected
        }
    }
}
