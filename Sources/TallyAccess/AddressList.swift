/// Several addresses and ranges, as a setting names them.
public struct AddressList: Sendable, Equatable {
    /// In the order in which they were given.
    public let ranges: [AddressRange]

    /// A list of these ranges. With none it holds no address.
    public init(_ ranges: [AddressRange]) { self.ranges = ranges }

    /// Reads entries separated by commas, with spaces and tabs allowed around each: `127.0.0.0/8, ::1`.
    ///
    /// Throws one error that names every bad entry. An empty text is a bad entry too, so that a list that nobody
    /// passes is never set by mistake; for an empty list use `init(_:)`.
    public init(parsing text: String) throws(AddressListError) {
        let (ranges, faults) = withBytes(text.utf8, Self.parse)
        guard faults.isEmpty else { throw AddressListError(faults: faults) }
        self.ranges = ranges
    }

    /// Whether the address lies in one of the ranges. Takes time in proportion to their number, and no memory.
    public func contains(_ address: IPAddress) -> Bool {
        self.ranges.contains { $0.contains(address) }
    }

    private static func parse(_ text: Span<UInt8>) -> ([AddressRange], [AddressRangeError]) {
        var ranges: [AddressRange] = []
        var faults: [AddressRangeError] = []
        var start = 0
        for end in 0...text.count where end == text.count || text[end] == UInt8(ascii: ",") {
            switch AddressRange.parse(text, trimmed(text, start..<end)) {
            case .success(let range): ranges.append(range)
            case .failure(let fault): faults.append(fault)
            }
            start = end + 1
        }
        return (ranges, faults)
    }
}

/// Names every bad entry of a list.
public struct AddressListError: Error, Equatable, CustomStringConvertible {
    /// In the order of the list; at least one.
    public let faults: [AddressRangeError]

    public var description: String { self.faults.map(\.description).joined(separator: "; ") }
}
