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
        if type.equalsIgnoringCase("application/x-www-form-urlencoded") {
            self = .form
        } else if type.equalsIgnoringCase("application/json") || type.equalsIgnoringCase("text/plain") {
            self = .json
        } else if type.equalsIgnoringCase("application/x-ndjson") || type.equalsIgnoringCase("application/ndjson")
            || type.equalsIgnoringCase("application/jsonl")
        {
            self = .ndjson
        } else {
            return nil
        }
        rest = rest.drop { $0 != UInt8(ascii: ";") }
        while !rest.isEmpty {
            let parameter = Self.nextParameter(in: &rest)
            let name = Self.trimmed(parameter.prefix { $0 != UInt8(ascii: "=") })
            guard name.equalsIgnoringCase("charset") else { continue }
            let value = Self.trimmed(parameter.drop { $0 != UInt8(ascii: "=") }.dropFirst())
            guard value.equalsIgnoringCase("utf-8") || value.equalsIgnoringCase("\"utf-8\"") else { return nil }
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
}
