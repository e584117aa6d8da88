/// A field of a crontab expression.
public enum CronField: String, Sendable, CaseIterable {
    case second = "second"
    case minute = "minute"
    case hour = "hour"
    case dayOfMonth = "day of month"
    case month = "month"
    case dayOfWeek = "day of week"

    /// The numbers that may be written. In the day of the week 0 and 7 are both Sunday.
    public var allowed: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .dayOfMonth: 1...31
        case .month: 1...12
        case .dayOfWeek: 0...7
        }
    }

    /// What `*` stands for: each value once.
    var all: ClosedRange<Int> { self == .dayOfWeek ? 0...6 : self.allowed }

    /// The names of the values from `names.first` on; none where only numbers are written.
    var names: (first: Int, texts: [String])? {
        switch self {
        case .month:
            (1, ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
        case .dayOfWeek:
            (0, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])
        default: nil
        }
    }
}

/// The values that a field matches, as the bits of one word.
struct CronSet: Equatable, Sendable {
    var bits: UInt64 = 0

    func contains(_ value: Int) -> Bool { self.bits >> value & 1 == 1 }

    /// The least value at or after `start`.
    func first(from start: Int) -> Int? {
        let rest = self.bits >> start
        return rest == 0 ? nil : start + rest.trailingZeroBitCount
    }

    mutating func insert(_ value: Int) { self.bits |= 1 << value }
}
