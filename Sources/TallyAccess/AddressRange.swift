/// One address, or all that share its first bits: `192.0.2.7`, `10.0.0.0/8`, `fd00::/8` (CIDR, RFC 4632, section 3.1).
///
/// A range holds addresses of its own family only: `::/0` is every IPv6 address and no IPv4 one, so whoever means
/// everybody writes `0.0.0.0/0,::/0`.
public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    /// The lowest address of the range.
    public let network: IPAddress

    /// How many leading bits are shared: 0 to 32 for IPv4, 0 to 128 for IPv6.
    public let prefixLength: Int

    /// The range of this address alone.
    public init(_ address: IPAddress) {
        self.network = address
        self.prefixLength = address.bitWidth
    }

    /// The range that starts at `network`. Nil where the prefix is longer than the address, or the address has bits
    /// set beyond the prefix.
    public init?(network: IPAddress, prefixLength: Int) {
        guard (0...network.bitWidth).contains(prefixLength) else { return nil }
        guard network.bits & ~Self.mask(network, prefixLength) == 0 else { return nil }
        self.network = network
        self.prefixLength = prefixLength
    }

    /// Reads an address, or an address, `/` and a prefix length; nothing around them.
    ///
    /// An IPv4-mapped range is taken for the IPv4 range that it is: `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
    public init(parsing text: some StringProtocol) throws(AddressRangeError) {
        self = try withBytes(text.utf8) { Self.parse($0, 0..<$0.count) }.get()
    }

    /// Whether the address lies in the range.
    public func contains(_ address: IPAddress) -> Bool {
        (address.bits ^ self.network.bits) & Self.mask(self.network, self.prefixLength) == 0
            && address.isIPv4 == self.network.isIPv4
    }

    /// The address alone where the range holds just one, else CIDR.
    public var description: String {
        self.prefixLength == self.network.bitWidth ? "\(self.network)" : "\(self.network)/\(self.prefixLength)"
    }

    static func parse(_ text: Span<UInt8>, _ range: Range<Int>) -> Result<AddressRange, AddressRangeError> {
        func fault(_ kind: AddressRangeError.Kind) -> Result<AddressRange, AddressRangeError> {
            .failure(AddressRangeError(entry: printable(text, range), kind: kind))
        }
        guard !range.isEmpty else { return fault(.empty) }
        let slash = range.first { text[$0] == UInt8(ascii: "/") }
        guard let written = WrittenAddress(text, in: range.lowerBound..<(slash ?? range.upperBound)) else {
            let hasZone = range.contains { text[$0] == UInt8(ascii: "%") }
            return fault(hasZone ? .zone : .notAnAddress)
        }
        let address = written.address
        guard let slash else { return .success(AddressRange(address)) }

        // A mapped address is written in 128 bits, of which the first 96 are the prefix that marks it.
        let bitsNotCounted = written.isWrittenAsIPv6 && address.isIPv4 ? 96 : 0
        let allowed = bitsNotCounted...bitsNotCounted + address.bitWidth
        let digits = slash + 1..<range.upperBound
        guard let length = decimal(text, in: digits, maximumDigits: 3), allowed.contains(length),
            digits.count == 1 || text[digits.lowerBound] != UInt8(ascii: "0")
        else { return fault(.prefixLength(allowed: allowed)) }

        let prefixLength = length - bitsNotCounted
        let lowest = IPAddress(bits: address.bits & mask(address, prefixLength))
        guard let result = AddressRange(network: address, prefixLength: prefixLength) else {
            return fault(.hostBits(suggestion: "\(lowest)/\(prefixLength)"))
        }
        return .success(result)
    }

    /// The bits that count, in the 128-bit form of an address.
    private static func mask(_ network: IPAddress, _ prefixLength: Int) -> UInt128 {
        // Swift's shift gives 0 where all 128 bits are shifted out, as a prefix of no bits needs it.
        ~0 << (network.bitWidth - prefixLength)
    }
}

/// Says what is wrong with the text of one address or range, and what to write instead.
public struct AddressRangeError: Error, Equatable, CustomStringConvertible {
    /// The text at fault, printable and at most 64 characters long.
    public let entry: String
    public let kind: Kind

    public enum Kind: Hashable, Sendable {
        case empty
        case notAnAddress
        /// An IPv6 zone (`%eth0`), which means something on one machine only.
        case zone
        case prefixLength(allowed: ClosedRange<Int>)
        /// The address has bits set beyond the prefix, so that either of the two may be the slip.
        case hostBits(suggestion: String)
    }

    public var description: String {
        switch self.kind {
        case .empty:
            "an entry is empty; remove the comma, or write an address such as 10.0.0.7 or a range such as 10.0.0.0/8"
        case .notAnAddress:
            "\"\(self.entry)\" is not an IPv4 or IPv6 address; write for example 10.0.0.7, 10.0.0.0/8 or fd00::/8"
        case .zone:
            "\"\(self.entry)\" has a zone, which an address cannot be compared by; leave out the % and what follows"
        case .prefixLength(let allowed):
            "\"\(self.entry)\" has a bad prefix length; after the / write a number from \(allowed.lowerBound)"
                + " to \(allowed.upperBound)"
        case .hostBits(let suggestion):
            "\"\(self.entry)\" has bits set beyond its prefix; did you mean \(suggestion) ?"
        }
    }
}
