import TallyAccess

/// What a host may look like: a name, an IPv4 or an IPv6 address without brackets.
enum HostRules {
    /// Names may hold an underscore, which DNS does not know but service names in container networks have.
    static func isHost(_ text: Substring) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= 253 else { return false }
        // What holds a colon, or nothing but digits and dots, can only be meant as an address.
        if bytes.contains(UInt8(ascii: ":")) { return IPAddress(text) != nil }
        if bytes.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: ".") }) { return IPAddress(text) != nil }
        return bytes.allSatisfy {
            isDigit($0) || (($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z"))
                || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
