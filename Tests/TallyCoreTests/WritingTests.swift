import TallyCore
import Testing

@Suite struct WritingTests {
    @Test(
        "an hour knows its day, before 1970 too",
        arguments: [
            (0, 0, 0), (3_599, 0, 0), (3_600, 0, 1), (86_399, 0, 23), (86_400, 1, 0), (-1, -1, 23), (-86_400, -1, 0),
        ])
    func dayAndHour(_ second: Int64, _ day: Int64, _ hour: Int) {
        let moment = Hour(containing: second)
        #expect(moment.day == day)
        #expect(moment.hourOfDay == hour)
    }

    @Test("moments are written as in RFC 3339 and RFC 9110")
    func writing() {
        #expect(Timestamp.iso8601(1_795_344_300) == "2026-11-22T10:45:00Z")
        #expect(Timestamp.httpDate(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test("an epoch is written with 16 digits and read back")
    func epochs() {
        #expect(Epoch(1).description == "0000000000000001")
        #expect(Epoch("00000000000000ff") == Epoch(255))
        #expect(Epoch("ff") == nil)
        #expect(Epoch("000000000000000g") == nil)
    }

    @Test("JSON strings escape what RFC 8259 asks for, and nothing else")
    func json() { #expect(JSONText.string("\u{0}\u{1F}\n\"\\ é") == #""\u0000\u001f\n\"\\ é""#) }
}
