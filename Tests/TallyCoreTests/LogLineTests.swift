import TallyCore
import Testing

@Suite struct LogLineTests {
    private static let awkward = "a\"b\\c\nd\u{1}e\u{7F}é=\u{2028} "

    private func line(_ format: LogLine.Format) -> String {
        let bytes = LogLine.bytes(
            format, level: "info", event: "started", "it \"began\"\n", [("url", "http://h"), ("reason", Self.awkward)])
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("JSON has time, level, event and message first, and stays one line whatever is in it")
    func json() throws {
        let line = self.line(.json)
        let rest = try #require(line.range(of: #""level""#))
        #expect(line.hasPrefix(#"{"time":"2"#))
        #expect(
            line[rest.lowerBound...]
                == #""level":"info","event":"started","message":"it \"began\"\n","url":"http://h","#
                + #""reason":"a\"b\\c\n"# + "d\\u0001e\u{7F}é=\u{2028} \"}\n")
        #expect(line.utf8.count { $0 == 0x0A } == 1)
    }

    @Test("text quotes what would be read wrongly, and stays one line")
    func text() {
        let line = self.line(.text)
        #expect(line.contains(#" info it "began"  event=started url=http://h reason="a\"b\\c\nd\u0001e"#))
        #expect(line.utf8.count { $0 == 0x0A } == 1)
    }
}
