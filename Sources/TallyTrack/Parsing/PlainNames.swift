internal import TallyCore

/// Recognizes the names that nearly all callers use, plain ASCII, at the speed of the hot path.
///
/// `NameRules` alone decides what a name may be; its generic code costs half a microsecond and some allocations a name
/// when it is called from another module. What passes here passes there (a test holds the two together), and whatever
/// does not pass here is put to `NameRules`.
struct PlainNames {
    private let reservedClients = NameRules.reservedClients.map { Array($0.utf8) }

    /// Whether a client's name is fit for certain.
    @inline(__always)
    func isClient(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 1, bytes.count <= NameRules.maximumBytes, Self.isAlphanumeric(bytes[0]) else {
            return false
        }
        for byte in bytes where !Self.isAlphanumeric(byte) && byte != UInt8(ascii: "_") && byte != UInt8(ascii: "-") {
            return false
        }
        for reserved in self.reservedClients where bytes.elementsEqual(reserved) { return false }
        return true
    }

    /// Whether a test's, variation's or event's name is fit for certain.
    @inline(__always)
    func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 1, bytes.count <= NameRules.maximumBytes,
            bytes[0] != UInt8(ascii: " "), bytes[bytes.count - 1] != UInt8(ascii: " ")
        else { return false }
        for byte in bytes where byte < 0x20 || byte >= 0x7F { return false }
        return true
    }

    @inline(__always)
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
            || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
    }
}
