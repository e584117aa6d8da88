/// The packed name of a counter without its hour: `client TAB test TAB variation TAB event`, in bytes.
///
/// Names hold no control characters, so a tab cannot occur within one and the packing is unambiguous. The same bytes
/// are the coalescer's key and the field in Redis.
public enum CounterField {
    public static let separator = UInt8(ascii: "\t")

    /// The longest a packed name can be, in bytes: four names and three tabs.
    public static let maximumBytes = 4 * NameRules.maximumBytes + 3

    /// Packs four names.
    public static func pack(client: Name, test: Name, variation: Name, event: Name) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(maximumBytes)
        for (index, name) in [client, test, variation, event].enumerated() {
            if index > 0 { bytes.append(separator) }
            bytes.append(contentsOf: name.string.utf8)
        }
        return bytes
    }

    /// Unpacks what `pack` made; nil for anything else, which then was not written by tally.
    public static func unpack(_ bytes: some Collection<UInt8>) -> (
        client: Name, test: Name, variation: Name, event: Name
    )? {
        let parts = bytes.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 4, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        return (Name(utf8: parts[0]), Name(utf8: parts[1]), Name(utf8: parts[2]), Name(utf8: parts[3]))
    }
}
