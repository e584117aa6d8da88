import TallyTestSupport
import Testing

@testable import TallyCron

@Suite("A schedule")
struct CronScheduleTests {
    @Test(
        "comes next at the first matching second after the given one",
        arguments: [
            // Strictly after; second 0 where none is given.
            ("* * * * *", "2026-11-22 10:45:00", "2026-11-22 10:46:00"),
            ("* * * * *", "2026-11-22 10:45:59", "2026-11-22 10:46:00"),
            ("* * * * *", "2026-11-22 10:44:59", "2026-11-22 10:45:00"),
            // Steps, ranges, lists.
            ("*/5 * * * *", "2026-11-22 10:45:00", "2026-11-22 10:50:00"),
            ("*/5 * * * *", "2026-11-22 10:56:00", "2026-11-22 11:00:00"),
            ("*/60 * * * *", "2026-11-22 10:01:00", "2026-11-22 11:00:00"),
            ("10-50/10 * * * *", "2026-11-22 10:50:00", "2026-11-22 11:10:00"),
            ("10-50/10 * * * *", "2026-11-22 10:11:00", "2026-11-22 10:20:00"),
            ("5,1-2,50-59/4 * * * *", "2026-11-22 10:05:00", "2026-11-22 10:50:00"),
            ("5,1-2,50-59/4 * * * *", "2026-11-22 10:58:00", "2026-11-22 11:01:00"),
            ("07 08 * * *", "2026-11-22 10:00:00", "2026-11-23 08:07:00"),
            (" \t30  4 *\t* * ", "2026-11-22 10:00:00", "2026-11-23 04:30:00"),
            // Seconds.
            ("* * * * * *", "2026-12-31 23:59:59", "2027-01-01 00:00:00"),
            ("*/10 * * * * *", "2026-11-22 10:45:01", "2026-11-22 10:45:10"),
            ("30 * * * * *", "2026-11-22 10:45:30", "2026-11-22 10:46:30"),
            ("15,45 0 12 * * *", "2026-11-22 12:00:15", "2026-11-22 12:00:45"),
            ("15,45 0 12 * * *", "2026-11-22 12:00:45", "2026-11-23 12:00:15"),
            // Ends of days, months, years.
            ("0 0 * * *", "2026-11-30 23:59:59", "2026-12-01 00:00:00"),
            ("59 23 31 12 *", "2026-12-31 23:59:00", "2027-12-31 23:59:00"),
            ("0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00"),
            ("0 0 30 * *", "2026-01-30 00:00:00", "2026-03-30 00:00:00"),
            ("0 0 29 * *", "2024-02-28 12:00:00", "2024-02-29 00:00:00"),
            ("0 0 1 1 *", "2026-01-01 00:00:00", "2027-01-01 00:00:00"),
            ("0 0 1 JAN-mar,Dec *", "2026-03-02 00:00:00", "2026-12-01 00:00:00"),
            ("0 0 1 */5 *", "2026-06-02 00:00:00", "2026-11-01 00:00:00"),
            // Leap days; 2000 was a leap year, 2100 is none.
            ("0 0 29 2 *", "2024-02-29 00:00:00", "2028-02-29 00:00:00"),
            ("0 0 29 2 *", "1999-03-01 00:00:00", "2000-02-29 00:00:00"),
            ("0 0 29 2 *", "2096-02-29 00:00:00", "2104-02-29 00:00:00"),
            ("0 0 1 3 *", "2100-02-28 23:59:59", "2100-03-01 00:00:00"),
            // 2072-02-29 is a Monday; the leap day after it that is one falls into the next century.
            ("0 0 29 2 */7", "2072-03-01 00:00:00", "2088-02-29 00:00:00"),
            // Days of the week; 2026-11-22 is a Sunday.
            ("0 0 * * 0", "2026-11-22 00:00:00", "2026-11-29 00:00:00"),
            ("0 0 * * 7", "2026-11-16 00:00:00", "2026-11-22 00:00:00"),
            ("0 0 * * sun", "2026-11-16 00:00:00", "2026-11-22 00:00:00"),
            ("0 0 * * 5-7", "2026-11-16 00:00:00", "2026-11-20 00:00:00"),
            ("0 0 * * 5-7", "2026-11-21 00:00:00", "2026-11-22 00:00:00"),
            ("0 0 * * 5-7", "2026-11-22 00:00:00", "2026-11-27 00:00:00"),
            ("0 0 * * FRI-SUN", "2026-11-22 00:00:00", "2026-11-27 00:00:00"),
            ("0 0 * * FRI-SUN/2", "2026-11-20 00:00:00", "2026-11-22 00:00:00"),
            ("0 0 * * SUN-TUE", "2026-11-24 00:00:00", "2026-11-29 00:00:00"),
            ("0 0 * * 0-7", "2026-11-24 00:00:00", "2026-11-25 00:00:00"),
            ("0 0 * * MON-FRI", "2026-11-20 00:00:00", "2026-11-23 00:00:00"),
            // The day rule: both restricted, either matches.
            ("0 0 13 * 5", "2026-11-13 00:00:00", "2026-11-20 00:00:00"),
            ("0 0 25 * 5", "2026-11-20 00:00:00", "2026-11-25 00:00:00"),
            ("0 0 30 2 1", "2026-02-23 12:00:00", "2027-02-01 00:00:00"),
            ("0 0 1,15 * 3", "2026-11-12 00:00:00", "2026-11-15 00:00:00"),
            // One starts with a star, both must match: odd days that are Fridays, the 13th on an even weekday.
            ("0 0 */2 * 5", "2026-11-13 00:00:00", "2026-11-27 00:00:00"),
            ("0 0 13 * */2", "2026-11-12 00:00:00", "2026-12-13 00:00:00"),
            // Written without a star, it is restricted even where it leaves nothing out.
            ("0 0 1-31 * 5", "2026-11-13 00:00:00", "2026-11-14 00:00:00"),
            // Shorthands.
            ("@hourly", "2026-11-22 10:45:00", "2026-11-22 11:00:00"),
            ("@daily", "2026-11-22 10:45:00", "2026-11-23 00:00:00"),
            ("@midnight", "2026-11-22 10:45:00", "2026-11-23 00:00:00"),
            ("@Weekly", "2026-11-22 10:45:00", "2026-11-29 00:00:00"),
            ("@monthly", "2026-11-22 10:45:00", "2026-12-01 00:00:00"),
            (" @yearly ", "2026-11-22 10:45:00", "2027-01-01 00:00:00"),
            ("@ANNUALLY", "2026-11-22 10:45:00", "2027-01-01 00:00:00"),
            // Before 1970.
            ("0 0 * * *", "1969-12-31 23:59:58", "1970-01-01 00:00:00"),
            ("0 12 * * *", "1969-12-30 12:00:00", "1969-12-31 12:00:00"),
        ])
    func next(text: String, after: String, expected: String) throws {
        let schedule = try CronSchedule(text)
        #expect(schedule.text == text)
        #expect(written(schedule.next(after: try at(after))) == expected)
    }

    @Test("finds a leap day on a weekday in every part of the 400 years, across 2100 too")
    func rareDays() throws {
        for weekday in ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] {
            // Both day fields must match, since the day of the month starts with a star.
            let schedule = try CronSchedule("0 0 */28 2 \(weekday)")
            var last = try at("2000-01-01 00:00:00")
            let end = try at("2400-01-01 00:00:00")
            var leapDays = 0
            while let next = schedule.next(after: last), next < end {
                #expect(next > last)
                if CivilDate(daysSince1970: next / 86_400).day == 29 { leapDays += 1 }
                last = next
            }
            // The 97 leap days of 400 years fall on each weekday 13 to 15 times.
            #expect((13...15).contains(leapDays), "\(weekday): \(leapDays)")
        }
    }

    @Test("agrees with a search through all days and all seconds that match, for random sets")
    func model() throws {
        var random = SplitMix64(seed: 1_970)
        for round in 0..<300 {
            func some(_ all: ClosedRange<Int>, _ count: Int) -> [Int] {
                Set((0..<count).map { _ in Int.random(in: all, using: &random) }).sorted()
            }
            let (seconds, minutes, hours) = (some(0...59, 2), some(0...59, 2), some(0...23, 2))
            let (days, months, weekdays) = (some(1...31, 3), some(1...12, 6), some(0...6, 2))
            let anyDay = Bool.random(using: &random)
            let anyWeekday = Bool.random(using: &random)
            func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ",") }
            let text = [
                list(seconds), list(minutes), list(hours), anyDay ? "*" : list(days), list(months),
                anyWeekday ? "*" : list(weekdays),
            ].joined(separator: " ")
            // Dates such as 30 February alone are refused, and tested elsewhere.
            guard let schedule = try? CronSchedule(text) else { continue }
            let start = Int64.random(in: 1_000_000_000..<2_000_000_000, using: &random)

            // A calendar that is counted up day by day from 2001-01-01, a Monday.
            var (year, month, day, weekday, midnight) = (2001, 1, 1, 1, Int64(978_307_200))
            var expected: Int64?
            search: while true {
                if midnight + 86_400 > start {
                    let byDay = days.contains(day)
                    let byWeekday = weekdays.contains(weekday)
                    let matches =
                        anyDay ? anyWeekday || byWeekday : anyWeekday ? byDay : byDay || byWeekday
                    if matches, months.contains(month) {
                        for hour in hours {
                            for minute in minutes {
                                for second in seconds {
                                    let moment = midnight + Int64(hour * 3_600 + minute * 60 + second)
                                    if moment > start {
                                        expected = moment
                                        break search
                                    }
                                }
                            }
                        }
                    }
                }
                let isLeapYear = year % 4 == 0
                let lengths = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
                day += 1
                if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
                if month > 12 { (year, month) = (year + 1, 1) }
                weekday = (weekday + 1) % 7
                midnight += 86_400
            }
            try #require(schedule.next(after: start) == expected, "round \(round): \(text) after \(start)")
        }
    }

    @Test("has no next moment beyond what can be counted, instead of a crash")
    func extremes() throws {
        let schedule = try CronSchedule("* * * * *")
        for moment in [Int64.min, .min + 1, -(1 << 45) - 1, 1 << 45, .max - 1, .max] {
            #expect(schedule.next(after: moment) == nil)
        }
        #expect(schedule.next(after: (1 << 45) - 1) != nil)
        #expect(schedule.next(after: -(1 << 45)) != nil)
    }

    @Test("equals another of the same text")
    func equality() throws {
        #expect(try CronSchedule("*/5 * * * *") == CronSchedule("*/5 * * * *"))
        #expect(try CronSchedule("*/5 * * * *") != CronSchedule("*/6 * * * *"))
    }
}

@Suite("The civil calendar")
struct CivilDateTests {
    @Test("agrees with Foundation's, and counts up without a gap")
    func days() throws {
        for text in ["1600-02-29", "1970-01-01", "1900-03-01", "2000-02-29", "2100-03-01", "9999-12-31"] {
            let parts = text.split(separator: "-").compactMap { Int($0) }
            let date = CivilDate(year: Int64(parts[0]), month: parts[1], day: parts[2])
            #expect(date.daysSince1970 * 86_400 == (try at("\(text) 00:00:00")))
        }
        // Four centuries back, five and a half forward, so that every kind of century's end is met.
        var last = CivilDate(daysSince1970: -150_001)
        for number in Int64(-150_000)...200_000 {
            let date = CivilDate(daysSince1970: number)
            let isNewMonth = date.day == 1 && last.day == CivilDate.lengthOfMonth(last.month, year: last.year)
            let isNewYear = date.month == 1 && last.month == 12 && date.year == last.year + 1
            let follows =
                isNewMonth
                ? isNewYear || (date.month == last.month + 1 && date.year == last.year)
                : date.day == last.day + 1 && date.month == last.month && date.year == last.year
            guard follows, date.daysSince1970 == number else {
                Issue.record("day \(number) is taken for \(date), after \(last)")
                return
            }
            last = date
        }
    }

    @Test(
        "knows the day of the week",
        arguments: [("1970-01-01", 4), ("2026-11-22", 0), ("1969-12-31", 3), ("1900-01-01", 1)])
    func weekdays(text: String, weekday: Int) throws {
        #expect(CivilDate(daysSince1970: floored(try at("\(text) 00:00:00"), by: 86_400).quotient).weekday == weekday)
    }
}
