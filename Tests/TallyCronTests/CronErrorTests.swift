import TallyCron
import Testing

@Suite("A schedule that cannot be")
struct CronErrorTests {
    @Test(
        "is refused with the field, the text at fault and what may be written",
        arguments: [
            ("61 * * * *", .minute, "61", #"minute "61" is not within 0-59"#),
            ("* 24 * * *", .hour, "24", #"hour "24" is not within 0-23"#),
            ("* * 0 * *", .dayOfMonth, "0", #"day of month "0" is not within 1-31"#),
            ("* * 32 * *", .dayOfMonth, "32", #"day of month "32" is not within 1-31"#),
            ("* * * 13 *", .month, "13", #"month "13" is not within 1-12"#),
            ("* * * * 8", .dayOfWeek, "8", #"day of week "8" is not within 0-7"#),
            ("60 * * * * *", .second, "60", #"second "60" is not within 0-59"#),
            ("1,2-70 * * * *", .minute, "70", #"minute "70" is not within 0-59"#),
            ("99999999999999999999 * * * *", .minute, "99999999999999999999", "is not within 0-59"),
            ("x * * * *", .minute, "x", #"minute "x" is not understood; write *, or numbers within 0-59, with"#),
            ("-1 * * * *", .minute, "-1", #"minute "-1" is not understood"#),
            ("+1 * * * *", .minute, "+1", #"minute "+1" is not understood"#),
            ("1-2-3 * * * *", .minute, "1-2-3", "is not understood"),
            ("1- * * * *", .minute, "1-", "is not understood"),
            ("*5 * * * *", .minute, "*5", "is not understood"), ("** * * * *", .minute, "**", "is not understood"),
            ("*-5 * * * *", .minute, "*", "is not understood"),
            ("1/2/3 * * * *", .minute, "1/2/3", "is not understood"),
            ("/5 * * * *", .minute, "/5", "is not understood"), ("* ? * * *", .hour, "?", "is not understood"),
            ("* * L * *", .dayOfMonth, "L", "is not understood"),
            ("* * * FOO *", .month, "FOO", "write *, or numbers within 1-12, JAN-DEC, with"),
            ("* * * * MONDAY", .dayOfWeek, "MONDAY", "numbers within 0-7, SUN-SAT, with"),
            ("* * * MON *", .month, "MON", "is not understood"), ("JAN * * * *", .minute, "JAN", "is not understood"),
            ("1,,2 * * * *", .minute, "1,,2", "has an empty entry"),
            (",1 * * * *", .minute, ",1", "has an empty entry"),
            ("*/0 * * * *", .minute, "0", #"minute step "0" is not within 1-60"#),
            ("*/61 * * * *", .minute, "61", #"minute step "61" is not within 1-60"#),
            ("* */25 * * *", .hour, "25", #"hour step "25" is not within 1-24"#),
            ("* * * * */8", .dayOfWeek, "8", #"day of week step "8" is not within 1-7"#),
            ("*/ * * * *", .minute, "*/", #"minute step "" is not within 1-60"#),
            ("*/x * * * *", .minute, "x", #"minute step "x" is not within 1-60"#),
            ("*/-5 * * * *", .minute, "-5", #"minute step "-5" is not within 1-60"#),
            ("7/5 * * * *", .minute, "7/5", #"minute "7/5" has a step but no range; write 7-59/5"#),
            ("* * * * MON/2", .dayOfWeek, "MON/2", "write MON-6/2"),
            ("50-10 * * * *", .minute, "50-10", #"minute "50-10" runs backwards; write 50-59,0-10"#),
            ("59-0 * * * *", .minute, "59-0", "write 59,0"),
            ("* * * DEC-FEB *", .month, "DEC-FEB", "write 12,1-2"),
            ("* * * * SAT-MON", .dayOfWeek, "SAT-MON", "write 6,0-1"),
            ("* * * * 7-2", .dayOfWeek, "7-2", "write 0-2"), ("* * * * FRI-0", .dayOfWeek, "FRI-0", "write 5-6,0"),
            ("0 0 30 2 *", .dayOfMonth, "30", #"day of month "30" never comes in month "2"; choose"#),
            ("0 0 30-31 FEB *", .dayOfMonth, "30-31", "never comes in month \"FEB\""),
            ("0 0 31 2,4,6,9,11 *", .dayOfMonth, "31", "never comes"),
            ("0 0 0 31 4 */2", .dayOfMonth, "31", "never comes"),
        ] as [(String, CronField, String, String)])
    func field(text: String, field: CronField, offending: String, problem: String) throws {
        let error = try #require(throws: CronError.self) { try CronSchedule(text) }
        #expect(error.field == field)
        #expect(error.allowed == field.allowed)
        #expect(error.offending == offending)
        #expect(error.problem.contains(problem), "\(error.problem)")
        // The columns are those of the text at fault.
        let scalars = Array(text.unicodeScalars)[error.columns]
        #expect(String(String.UnicodeScalarView(scalars)) == offending)
    }

    @Test(
        "is refused as a whole where no field can be named",
        arguments: [
            ("", "the schedule is empty"), (" \t ", "the schedule is empty"),
            ("*", "the schedule has 1 field; write five"), ("* * * *", "the schedule has 4 fields; write five"),
            ("* * * * * * *", "the schedule has 7 fields; write five"),
            ("@reboot", "\"@reboot\" names no time"), ("@Reboot", "\"@reboot\" names no time"),
            ("@every 5m", "\"@every 5m\" is not a known schedule; write @hourly"), ("@", "is not a known schedule"),
        ])
    func whole(text: String, problem: String) throws {
        let error = try #require(throws: CronError.self) { try CronSchedule(text) }
        #expect(error.field == nil)
        #expect(error.allowed == nil)
        #expect(error.problem.contains(problem), "\(error.problem)")
    }

    @Test("is shown with carets below the fault")
    func carets() throws {
        let error = try #require(throws: CronError.self) { try CronSchedule("*/5 1,99 * * *") }
        #expect(
            error.description == """
                hour "99" is not within 0-23
                  */5 1,99 * * *
                        ^^
                """)
        let empty = try #require(throws: CronError.self) { try CronSchedule("") }
        #expect(empty.description.hasSuffix("\n  \n  ^"))
    }

    @Test("is shown without control characters, and the carets stay in place")
    func controls() throws {
        let error = try #require(throws: CronError.self) { try CronSchedule("*\t\u{1B}[3\n * * *") }
        #expect(error.expression == "* \u{FFFD}[3\u{FFFD} * * *")
        #expect(error.columns == 2..<6)
        #expect(error.offending == "\u{FFFD}[3\u{FFFD}")
    }
}
