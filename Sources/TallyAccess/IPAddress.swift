/// The address of a host: IPv4 or IPv6.
///
/// One host has one value: an IPv4-mapped IPv6 address (`::ffff:1.2.3.4`, RFC 4291, section 2.5.5.2), as a socket that
/// serves both families shows an IPv4 peer, is the IPv4 address itself. So no rule is passed by writing it otherwise.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The 128 bits of the IPv6 form, IPv4 as mapped: that keeps both families apart and each address unique.
    let bits: UInt128

    init(bits: UInt128) { self.bits = bits }

    /// Reads an address as text, strictly.
    ///
    /// IPv4 is four decimal numbers up to 255 without leading zeros: `010.0.0.1` is octal to some readers, so it is
    /// nothing to this one. IPv6 is any form of RFC 4291, section 2.2, with `::` once at most and an IPv4 tail where
    /// one is written; no zone (`%eth0`), no brackets, no port, no blanks.
    public init?(_ text: some StringProtocol) {
        self.init(utf8: text.utf8)
    }

    /// Reads an address as the bytes of its text, by the same rules.
    public init?(utf8: some Collection<UInt8>) {
        guard let written = withBytes(utf8, { WrittenAddress($0, in: 0..<$0.count) }) else { return nil }
        self = written.address
    }

    /// Takes an address as it stands in a packet or a socket address: 4 bytes or 16, the most significant first.
    /// Nil for any other number of bytes.
    public init?(rawBytes: some Collection<UInt8>) {
        let bits = rawBytes.reduce(into: (value: UInt128(0), count: 0)) { sum, byte in
            sum = (sum.value << 8 | UInt128(byte), sum.count + 1)
        }
        switch bits.count {
        case 4: self.init(ipv4: UInt32(truncatingIfNeeded: bits.value))
        case 16: self.init(bits: bits.value)
        default: return nil
        }
    }

    /// An IPv4 address as a number: `0x7F00_0001` is 127.0.0.1.
    public init(ipv4: UInt32) {
        self.init(bits: Self.mappedPrefix | UInt128(ipv4))
    }

    /// Whether this is an IPv4 address, however it was written.
    public var isIPv4: Bool { self.bits >> 32 == Self.mappedPrefix >> 32 }

    /// The length of the address in bits, 32 or 128: also the longest prefix of a range.
    public var bitWidth: Int { self.isIPv4 ? 32 : 128 }

    /// `::ffff:0:0/96`, where IPv6 holds the IPv4 addresses.
    static let mappedPrefix: UInt128 = 0xFFFF << 32

    /// The canonical text: dotted decimal, or RFC 5952, section 4: lower case, no leading zeros, and `::` for the
    /// first of the longest runs of two or more zero groups.
    public var description: String {
        if self.isIPv4 {
            return (0..<4).map { String(UInt8(truncatingIfNeeded: self.bits >> (24 - 8 * $0))) }.joined(separator: ".")
        }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: self.bits >> (112 - 16 * $0)) }
        func text(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard let gap = Self.longestZeroRun(groups) else { return text(groups[...]) }
        return text(groups[..<gap.lowerBound]) + "::" + text(groups[gap.upperBound...])
    }

    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var longest = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > longest.count {
                longest = start..<index + 1
            }
        }
        return longest.count >= 2 ? longest : nil
    }
}
