/// What a name may be made of. The one place that knows, for /track, for reading and for the command line.
public enum NameRules {
    /// The longest name, in bytes of UTF-8.
    public static let maximumBytes = 64

    /// Clients that would meet tally's own collections.
    public static let reservedClients: [String] = ["system", "tally"]

    /// Says what is wrong with a client's name, or nil where nothing is.
    ///
    /// A client names a MongoDB collection, hence `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
    public static func faultInClient(_ bytes: some Collection<UInt8>) -> String? {
        guard let first = bytes.first else { return "is empty" }
        guard isAlphanumeric(first) else { return "must start with an ASCII letter or digit" }
        guard bytes.count <= maximumBytes else { return "is longer than \(maximumBytes) characters" }
        guard bytes.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }) else {
            return "may hold only ASCII letters, digits, _ and -"
        }
        if reservedClients.contains(where: { bytes.elementsEqual($0.utf8) }) { return "is reserved for tally itself" }
        return nil
    }

    /// Says what is wrong with a test's, variation's or event's name, or nil where nothing is.
    ///
    /// 1 to 64 bytes of UTF-8, no control characters (Unicode category Cc), no space at either end.
    public static func faultInName(_ bytes: some BidirectionalCollection<UInt8>) -> String? {
        guard let first = bytes.first, let last = bytes.last else { return "is empty" }
        guard bytes.count <= maximumBytes else { return "is longer than \(maximumBytes) bytes" }
        if first == UInt8(ascii: " ") || last == UInt8(ascii: " ") { return "has a space at an end" }
        // Plain ASCII, the common case, is settled in one pass.
        if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return nil }
        guard String(validating: bytes, as: UTF8.self) != nil else { return "is not valid UTF-8" }
        var previous: UInt8 = 0
        for byte in bytes {
            // C1 controls, U+0080 to U+009F, are 0xC2 followed by 0x80 to 0x9F.
            if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return "holds a control character" }
            previous = byte
        }
        return nil
    }

    @inline(__always)
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A
    }
}
