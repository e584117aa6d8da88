/// What a request is called in logs: the caller's `X-Request-ID` where that is sane, else one made here.
///
/// A request to /track that is counted and called nothing gets none: nothing is logged under which it could be looked
/// up, and its answer costs a copy less.
public enum RequestID {
    /// In small letters, as every comparison here needs it.
    static let headerName: StaticString = "x-request-id"
    /// The longest that is kept, in bytes.
    public static let maximumBytes = 128

    /// What the caller gave, if it is of 1 to 128 letters, digits and marks that need no quoting anywhere.
    public static func sane(_ given: String?) -> String? {
        guard let given, !given.isEmpty, given.utf8.count <= self.maximumBytes else { return nil }
        let isSane = given.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: self.marks.contains(byte)
            }
        }
        return isSane ? given : nil
    }

    private static let marks: [UInt8] = Array("-._~:/+=@".utf8)

    /// 32 hexadecimal digits that no other request has.
    public static func made() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = [generator.next(), generator.next()].map { (half: UInt64) in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return digits.joined()
    }
}
