/// A day of the Gregorian calendar, and its number counted from 1970-01-01.
///
/// Source of both conversions: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil` and `civil_from_days`, https://howardhinnant.github.io/date_algorithms.html
/// They count years from March, so that a leap day is the last of its year, in eras of 400 years, after which
/// the calendar repeats itself.
struct CivilDate: Equatable {
    let year: Int64
    /// 1 to 12.
    let month: Int
    /// 1 to 31.
    let day: Int

    init(year: Int64, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSince1970: Int64) {
        let days = daysSince1970 + Self.daysFromYear0March
        let (era, dayOfEra) = floored(days, by: Self.daysInEra)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        self.day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
        self.month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        self.year = yearOfEra + era * 400 + (self.month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let yearFromMarch = self.month <= 2 ? self.year - 1 : self.year
        let (era, yearOfEra) = floored(yearFromMarch, by: 400)
        let monthFromMarch = Int64(self.month > 2 ? self.month - 3 : self.month + 9)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(self.day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * Self.daysInEra + dayOfEra - Self.daysFromYear0March
    }

    /// 0 for Sunday to 6 for Saturday.
    var weekday: Int {
        // 1970-01-01 was a Thursday.
        Int(floored(self.daysSince1970 + 4, by: 7).remainder)
    }

    /// The number of days in a month of a year, 28 to 31.
    static func lengthOfMonth(_ month: Int, year: Int64) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static let daysInEra: Int64 = 146_097
    /// Days from 0000-03-01 to 1970-01-01.
    private static let daysFromYear0March: Int64 = 719_468
}

/// Division that rounds down, so that moments before 1970 work as those after it. The remainder is never negative.
func floored(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
