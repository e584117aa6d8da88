/// A client's, test's, variation's or event's name.
///
/// Names are compared, hashed and sorted by their UTF-8 bytes. Swift's `String` takes "é" and "e" followed by a
/// combining accent for equal; Redis, MongoDB and SQLite do not, and neither may anything that counts.
public struct Name: Hashable, Comparable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let string: String

    public init(_ string: String) { self.string = string }

    /// Takes bytes that are known to be UTF-8, because `NameRules` has passed them.
    public init(utf8 bytes: some Sequence<UInt8>) { self.string = String(decoding: Array(bytes), as: UTF8.self) }

    public init(stringLiteral value: String) { self.string = value }

    public var description: String { self.string }

    public static func == (left: Name, right: Name) -> Bool {
        left.string.utf8.elementsEqual(right.string.utf8)
    }

    public static func < (left: Name, right: Name) -> Bool {
        left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for byte in self.string.utf8 { hasher.combine(byte) }
        hasher.combine(0xFF as UInt8)  // no UTF-8 text holds this byte, so neighbouring names cannot run together
    }
}

extension Name {
    /// The event that is counted when the caller names none.
    public static let view: Name = "view"
}
