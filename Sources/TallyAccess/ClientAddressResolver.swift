/// Finds who is calling, behind any number of proxies that are trusted to tell.
///
/// `X-Forwarded-For` is a list to which each proxy appends the address that it was called from. What stands left of
/// the first address that is not a trusted proxy was sent by that address, and may be forged; so the list is read from
/// the right, and no further than that address. Entries left of it are not looked at, not even for their form.
public struct ClientAddressResolver: Sendable {
    /// The proxies whose word is taken.
    public let trustedProxies: AddressList

    public init(trustedProxies: AddressList) { self.trustedProxies = trustedProxies }

    public enum Resolution: Equatable, Sendable {
        /// The caller's address, as far as it can be believed.
        case address(IPAddress)
        /// A trusted proxy passed on an entry that is no address, so that nobody knows who calls: refuse, with 403.
        /// The entry is printable and at most 64 characters long; it is empty where nothing stood.
        case malformed(entry: String)
    }

    /// Finds the caller.
    ///
    /// The header's lines count as one list, in their order. If every entry is a trusted proxy the leftmost is the
    /// caller; with no line it is the peer. A line with nothing in it holds one empty entry, which is malformed.
    ///
    /// An entry may have spaces and tabs around it, and a port, which some proxies add: `1.2.3.4`, `1.2.3.4:5678`,
    /// `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`.
    ///
    /// - Parameters:
    ///   - peer: The other end of the connection.
    ///   - forwardedFor: The values of all `X-Forwarded-For` lines. Evaluated only if the peer is a trusted proxy.
    public func resolve<Line: StringProtocol>(
        peer: IPAddress, forwardedFor: @autoclosure () -> [Line]
    ) -> Resolution {
        guard self.trustedProxies.contains(peer) else { return .address(peer) }
        var leftmost = peer
        for line in forwardedFor().reversed() {
            switch withBytes(line.utf8, self.walk) {
            case .stopped(let resolution): return resolution
            case .allTrusted(let address): leftmost = address
            }
        }
        return .address(leftmost)
    }

    private enum Walk {
        case stopped(Resolution)
        case allTrusted(leftmost: IPAddress)
    }

    /// Walks one line from its right end.
    private func walk(_ line: Span<UInt8>) -> Walk {
        var end = line.count
        while true {
            var start = end
            while start > 0, line[start - 1] != UInt8(ascii: ",") { start -= 1 }
            let entry = trimmed(line, start..<end)
            guard let address = Self.address(line, entry) else {
                return .stopped(.malformed(entry: printable(line, entry)))
            }
            if !self.trustedProxies.contains(address) { return .stopped(.address(address)) }
            if start == 0 { return .allTrusted(leftmost: address) }
            end = start - 1
        }
    }

    /// Reads one entry, without blanks around it, and drops its port.
    private static func address(_ text: Span<UInt8>, _ entry: Range<Int>) -> IPAddress? {
        guard let first = entry.first else { return nil }
        if text[first] == UInt8(ascii: "[") {
            guard let bracket = entry.first(where: { text[$0] == UInt8(ascii: "]") }),
                let written = WrittenAddress(text, in: first + 1..<bracket), written.isWrittenAsIPv6,
                bracket + 1 == entry.upperBound || isPort(text, bracket + 1..<entry.upperBound)
            else { return nil }
            return written.address
        }
        // IPv6 has two colons at least; just one comes before the port of an IPv4 address.
        if let colon = entry.first(where: { text[$0] == UInt8(ascii: ":") }),
            !(colon + 1..<entry.upperBound).contains(where: { text[$0] == UInt8(ascii: ":") })
        {
            guard isPort(text, colon..<entry.upperBound) else { return nil }
            return WrittenAddress(text, in: first..<colon)?.address
        }
        return WrittenAddress(text, in: entry)?.address
    }

    /// Whether the text is a colon and a number from 0 to 65535.
    private static func isPort(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard text[range.lowerBound] == UInt8(ascii: ":"),
            let port = decimal(text, in: range.lowerBound + 1..<range.upperBound, maximumDigits: 5)
        else { return false }
        return port <= 65_535
    }
}
