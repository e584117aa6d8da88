/// An hour of UTC, counted from 1970-01-01T00:00Z.
public struct Hour: Hashable, Comparable, Sendable {
    public let hoursSince1970: Int64

    public init(hoursSince1970: Int64) { self.hoursSince1970 = hoursSince1970 }

    /// The hour in which a moment falls. Unit: seconds since 1970.
    public init(containing secondsSince1970: Int64) {
        self.hoursSince1970 = Int64((Double(secondsSince1970) / 3600).rounded(.down))
    }

    /// The moment at which the hour begins, in seconds since 1970.
    public var secondsSince1970: Int64 { self.hoursSince1970 * 3600 }

    /// Days since 1970 of the UTC day that holds the hour.
    public var day: Int64 { Int64((Double(self.hoursSince1970) / 24).rounded(.down)) }

    /// The hour within its UTC day, 0 to 23.
    public var hourOfDay: Int { Int(self.hoursSince1970 - self.day * 24) }

    public static func < (left: Hour, right: Hour) -> Bool { left.hoursSince1970 < right.hoursSince1970 }
}
