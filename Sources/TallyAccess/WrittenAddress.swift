/// An address as it was read from text, with the family that it was written in: the length of a prefix counts in that
/// family, `::ffff:10.0.0.0/104` being `10.0.0.0/8`.
struct WrittenAddress {
    let address: IPAddress
    let isWrittenAsIPv6: Bool

    /// Reads the whole of `range` as one address. The rules stand at `IPAddress.init(_:)`.
    init?(_ text: Span<UInt8>, in range: Range<Int>) {
        let text = text.extracting(range)
        if let ipv4 = Self.ipv4(text, from: 0) {
            self.address = IPAddress(ipv4: ipv4)
            self.isWrittenAsIPv6 = false
        } else if let bits = Self.ipv6(text) {
            self.address = IPAddress(bits: bits)
            self.isWrittenAsIPv6 = true
        } else {
            return nil
        }
    }

    /// Reads from `start` to the end as dotted decimal.
    private static func ipv4(_ text: Span<UInt8>, from start: Int) -> UInt32? {
        var address: UInt32 = 0
        var index = start
        for octet in 0..<4 {
            if octet > 0 {
                guard index < text.count, text[index] == UInt8(ascii: ".") else { return nil }
                index += 1
            }
            let first = index
            var value: UInt32 = 0
            while index < text.count, index - first < 3, let digit = digit(text[index]) {
                value = value * 10 + UInt32(digit)
                index += 1
            }
            let length = index - first
            guard length > 0, value <= 255, length == 1 || text[first] != UInt8(ascii: "0") else { return nil }
            address = address << 8 | value
        }
        return index == text.count ? address : nil
    }

    /// Reads the whole text as IPv6: groups of one to four hexadecimal digits, eight of them or fewer with one `::`;
    /// an IPv4 address may stand for the last two.
    private static func ipv6(_ text: Span<UInt8>) -> UInt128? {
        let colon = UInt8(ascii: ":")
        guard text.count >= 2 else { return nil }
        var groups: UInt128 = 0
        var count = 0
        // How many groups stand left of the `::`.
        var groupsBeforeGap: Int?
        var index = 0
        if text[0] == colon {
            // A colon at the start can only be the first half of a `::`.
            guard text[1] == colon else { return nil }
            groupsBeforeGap = 0
            index = 2
        }
        while index < text.count {
            let first = index
            var value: UInt128 = 0
            while index < text.count, index - first < 4, let digit = hexadecimal(text[index]) {
                value = value << 4 | UInt128(digit)
                index += 1
            }
            if index < text.count, text[index] == UInt8(ascii: ".") {
                guard count <= 6, let tail = ipv4(text, from: first) else { return nil }
                groups = groups << 32 | UInt128(tail)
                count += 2
                break
            }
            guard index > first, count < 8 else { return nil }
            groups = groups << 16 | value
            count += 1
            if index == text.count { break }
            guard text[index] == colon, index + 1 < text.count else { return nil }
            index += 1
            if text[index] == colon {
                guard groupsBeforeGap == nil else { return nil }
                groupsBeforeGap = count
                index += 1
            }
        }
        guard let groupsBeforeGap else { return count == 8 ? groups : nil }
        // RFC 4291: `::` stands for one group or more.
        guard count < 8 else { return nil }
        let tailBits = 16 * (count - groupsBeforeGap)
        let tail = groups & ((1 << tailBits) - 1)
        let head = groups >> tailBits
        return head << (16 * (8 - groupsBeforeGap)) | tail
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : nil
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        if let digit = digit(byte) { return digit }
        // Setting bit 5 makes a capital letter small, and no other byte a letter from a to f.
        let small = byte | 0x20
        return small >= 0x61 && small <= 0x66 ? small - 0x61 + 10 : nil
    }
}

/// Reads the whole of `range` as a decimal number of at most `maximumDigits` digits, with no sign.
func decimal(_ text: Span<UInt8>, in range: Range<Int>, maximumDigits: Int) -> Int? {
    guard !range.isEmpty, range.count <= maximumDigits else { return nil }
    var value = 0
    for index in range {
        guard (0x30...0x39).contains(text[index]) else { return nil }
        value = value * 10 + Int(text[index] - 0x30)
    }
    return value
}
