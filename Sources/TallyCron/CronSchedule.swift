/// When a job runs: a crontab expression, in UTC.
///
/// Five fields, or six with the second first; without it the second is 0:
///
///     second  minute  hour  day of month  month          day of week
///     0-59    0-59    0-23  1-31          1-12, JAN-DEC  0-7, SUN-SAT (0 and 7 are Sunday)
///
/// A field is a list of entries with commas between them: `*`, `7`, `10-50`, `*/5`, `10-50/10`. Names are of any case.
/// A range may end in `SUN` (`FRI-SUN`); any other range that runs backwards is an error. So is a step without a range
/// (`7/5`), which the cron programs do not agree about, and a date that never comes (`0 0 30 2 *`).
///
/// The rule of crontab(5) for days: where neither the day of the month nor the day of the week starts with `*`, it is
/// enough that one of them matches; otherwise both must.
///
/// `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` stand for the expressions that
/// crontab(5) names; `@reboot` is an error.
public struct CronSchedule: Sendable, Equatable {
    /// The expression as it was given.
    public let text: String

    private let seconds, minutes, hours, daysOfMonth, months, daysOfWeek: CronSet
    private let eitherDayMatches: Bool

    /// Reads an expression. The error names the field and shows the place.
    public init(_ text: String) throws(CronError) {
        let parsed = try CronParser.parse(text)
        func set(_ field: CronField) -> CronSet { parsed.sets[field] ?? CronSet() }
        self.text = text
        self.seconds = set(.second)
        self.minutes = set(.minute)
        self.hours = set(.hour)
        self.daysOfMonth = set(.dayOfMonth)
        self.months = set(.month)
        self.daysOfWeek = set(.dayOfWeek)
        self.eitherDayMatches = parsed.restricted.isSuperset(of: [.dayOfMonth, .dayOfWeek])
    }

    /// The first matching second strictly after the given one, both in seconds since 1970.
    ///
    /// Nil only for moments a million years away from 1970, so that no sum overflows. The search goes by months, and
    /// at most through the 40 years that may lie between two leap days on one day of the week.
    public func next(after secondsSince1970: Int64) -> Int64? {
        guard Self.supported.contains(secondsSince1970) else { return nil }
        let (today, secondOfDay) = floored(secondsSince1970 + 1, by: Self.secondsInDay)
        let date = CivilDate(daysSince1970: today)
        if self.days(ofMonth: date.month, year: date.year).contains(date.day),
            let time = self.time(from: Int(secondOfDay))
        {
            return today * Self.secondsInDay + time
        }
        guard let earliest = self.time(from: 0) else { return nil }
        var (year, month, firstDay) = (date.year, date.month, date.day + 1)
        for _ in 0..<Self.monthsInCalendarCycle {
            if let day = self.days(ofMonth: month, year: year).first(from: firstDay) {
                return CivilDate(year: year, month: month, day: day).daysSince1970 * Self.secondsInDay + earliest
            }
            (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            firstDay = 1
        }
        return nil
    }

    /// The matching days of a month.
    private func days(ofMonth month: Int, year: Int64) -> CronSet {
        guard self.months.contains(month) else { return CronSet() }
        let weekdayOf1st = UInt64(CivilDate(year: year, month: month, day: 1).weekday)
        // The week, turned so that the weekday of the 1st comes first, five times in a row, with the 1st at bit 1.
        let week = (self.daysOfWeek.bits >> weekdayOf1st | self.daysOfWeek.bits << (7 - weekdayOf1st)) & 0x7F
        let byWeekday = (week | week << 7 | week << 14 | week << 21 | week << 28) << 1
        let byDate = self.daysOfMonth.bits
        let existing = (UInt64(2) << CivilDate.lengthOfMonth(month, year: year)) - 2
        return CronSet(bits: existing & (self.eitherDayMatches ? byWeekday | byDate : byWeekday & byDate))
    }

    /// The first matching second of a day, at or after the given one; nil if the day has none left.
    private func time(from secondOfDay: Int) -> Int64? {
        let (hour, minute, second) = (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
        guard let firstMinute = self.minutes.first(from: 0), let firstSecond = self.seconds.first(from: 0) else {
            return nil
        }
        if self.hours.contains(hour) {
            if self.minutes.contains(minute), let second = self.seconds.first(from: second) {
                return Int64(hour * 3600 + minute * 60 + second)
            }
            if let minute = self.minutes.first(from: minute + 1) {
                return Int64(hour * 3600 + minute * 60 + firstSecond)
            }
        }
        guard let hour = self.hours.first(from: hour + 1) else { return nil }
        return Int64(hour * 3600 + firstMinute * 60 + firstSecond)
    }

    private static let secondsInDay: Int64 = 86_400
    /// The Gregorian calendar, weekdays included, repeats itself after 400 years.
    private static let monthsInCalendarCycle = 4_800
    /// About 1.1 million years to both sides.
    private static let supported: Range<Int64> = -(1 << 45)..<(1 << 45)
}
