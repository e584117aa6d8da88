import TallyTestSupport
import Testing

@testable import TallyConfig

@Suite struct DotEnvTests {
    @Test(
        "a line is read as it is meant",
        arguments: [
            ("KEY=value", "value"),
            ("KEY=", ""),
            ("KEY=   ", ""),
            ("  KEY=value  \t", "value"),
            ("KEY= value", "value"),
            ("KEY=two words", "two words"),
            ("KEY=* * * * *", "* * * * *"),
            ("KEY=a=b=c", "a=b=c"),
            ("KEY=value # comment", "value"),
            ("KEY=value\t# comment # more", "value"),
            ("KEY=value#no-comment", "value#no-comment"),
            ("KEY= # comment", ""),
            (#"KEY=C:\data"#, #"C:\data"#),
            ("KEY=$HOME/${X}", "$HOME/${X}"),
            ("KEY=é→😀", "é→😀"),
            ("export KEY=value", "value"),
            ("export\t KEY='value'", "value"),
            ("KEY=''", ""),
            ("KEY='  $a \\n \"b\" # c '", "  $a \\n \"b\" # c "),
            ("KEY='value' # comment", "value"),
            (#"KEY="""#, ""),
            (#"KEY="one\ntwo\r\t\\ \" \$x""#, "one\ntwo\r\t\\ \" $x"),
            (#"KEY="it's # here" # comment"#, "it's # here"),
            (#"KEY="value"   "#, "value"),
        ])
    func values(line: String, value: String) throws {
        #expect(try DotEnv.parse(line) == [.init(key: "KEY", value: value, line: 1)])
    }

    @Test(
        "a key may be made of letters, digits and underscores, and may be called export",
        arguments: ["A", "_", "_1", "a_B9", "export", "exporter"])
    func keys(key: String) throws {
        #expect(try DotEnv.parse(key + "=1").map(\.key) == [key])
    }

    @Test("LF, CRLF, blank lines, comments and a missing last line break are all fine", arguments: ["\n", "\r\n"])
    func lineEndings(lineEnd: String) throws {
        let text = ["# tally", "", "A=1", " \t ", "  # B=no", "B='2'", "C=3"].joined(separator: lineEnd)
        let expected: [DotEnv.Entry] = [
            .init(key: "A", value: "1", line: 3), .init(key: "B", value: "2", line: 6),
            .init(key: "C", value: "3", line: 7),
        ]
        #expect(try DotEnv.parse(text) == expected)
        #expect(try DotEnv.parse(text + lineEnd) == expected)
    }

    @Test("a byte order mark at the start is skipped, and nowhere else")
    func byteOrderMark() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        #expect(try DotEnv.parse(mark + Array("A=1".utf8)) == [.init(key: "A", value: "1", line: 1)])
        #expect(throws: DotEnvError.self) { try DotEnv.parse(Array("A=1\n".utf8) + mark + Array("B=1".utf8)) }
        #expect(try DotEnv.parse([UInt8]()).isEmpty)
        #expect(try DotEnv.parse(mark).isEmpty)
    }

    @Test(
        "a line that makes no sense is refused in words that hold nothing of its value",
        arguments: [
            ("SECRETsecret", "there is no ="),
            ("=SECRETsecret", "there is no key"),
            ("export =SECRETsecret", "there is no key"),
            ("export", "there is no ="),
            ("export SECRETsecret", "there is no ="),
            ("1KEY=SECRETsecret", "begins with a digit"),
            ("KEY =SECRETsecret", "white space before the ="),
            ("KE-Y=SECRETsecret", "may hold only ASCII letters"),
            ("KÉY=SECRETsecret", "may hold only ASCII letters"),
            ("KEY X=SECRETsecret", "may hold only ASCII letters"),
            ("KEY=#SECRETsecret", "begins with #"),
            ("KEY=SECRET'secret'", "quote within the value"),
            ("KEY=SECRET\"secret", "quote within the value"),
            ("KEY='SECRETsecret", "single quote is not closed"),
            ("KEY=\"SECRETsecret", "double quote is not closed"),
            ("KEY=\"SECRETsecret\\\"", "double quote is not closed"),
            ("KEY=\"SECRETsecret\\", "unknown escape"),
            (#"KEY="SECRET\qsecret""#, "unknown escape"),
            ("KEY='SECRET'secret", "follows the closing quote"),
            ("KEY=\"SECRET\"#secret", "follows the closing quote"),
            ("KEY=SECRET\u{0}secret", "control character"),
            ("KEY=SECRET\rsecret", "control character"),
        ])
    func nonsense(line: String, words: String) throws {
        let error = try #require(throws: DotEnvError.self) { try DotEnv.parse("A=1\n\n" + line + "\nB=2") }
        #expect(error.faults.map(\.line) == [3])
        #expect(error.description.contains(words), "\(error)")
        #expect(!error.description.lowercased().contains("secret"), "\(error)")
    }

    @Test("a line that is not UTF-8 is refused with its number")
    func notUTF8() throws {
        let error = try #require(throws: DotEnvError.self) {
            try DotEnv.parse(Array("A=1\nB=".utf8) + [0xC3, 0x28, 0x0A] + Array("C=1".utf8))
        }
        #expect(error.faults == [.init(line: 2, what: "the line is not valid UTF-8")])
    }

    @Test("every bad line is reported at once, and a key given twice names both lines")
    func everythingAtOnce() throws {
        let error = try #require(throws: DotEnvError.self) {
            try DotEnv.parse("A=1\nnonsense\nB='open\nA=2\r\nexport A='x\nC=3\nB=3")
        }
        #expect(error.faults.map(\.line) == [2, 3, 4, 5, 7])
        for words in [
            "line 4: A was given on line 1 already", "line 5: A was given on line 1 already",
            "line 7: B was given on line 3 already",
        ] {
            #expect(error.description.contains(words), "\(error)")
        }
        #expect(error.description.split(separator: "\n").count == 5)
    }

    @Test("any text comes back from double quotes as it went in")
    func roundTrip() throws {
        var generator = SplitMix64(seed: 0x7A11)
        let alphabet = Array("ab \t\n\r\\\"'$#=é😀\u{301}".unicodeScalars)
        for _ in 0..<2_000 {
            var value = String.UnicodeScalarView()
            var quoted = "\""
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let scalar = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                value.append(scalar)
                switch scalar {
                case "\n": quoted += "\\n"
                case "\r": quoted += "\\r"
                case "\\", "\"", "$": quoted += "\\\(scalar)"
                default: quoted.unicodeScalars.append(scalar)
                }
            }
            let entries = try DotEnv.parse("K=\(quoted)\"")
            #expect(entries.count == 1)
            #expect(entries.first.map { Array($0.value.utf8) } == Array(String(value).utf8), "seed 0x7A11, \(quoted)")
        }
    }

    @Test("whatever bytes come, each line that is not blank or a comment gives an entry or a fault")
    func anyBytes() {
        var generator = SplitMix64(seed: 0xBAD)
        let alphabet = Array("Kk1_ =\n\r\t#'\"\\$-".utf8) + [0x00, 0xC3, 0xA9, 0xFF]
        for _ in 0..<3_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            let meant = bytes.split(separator: 0x0A).filter { line in
                let line = line.last == 0x0D ? line.dropLast() : line
                return line.first { $0 != 0x20 && $0 != 0x09 }.map { $0 != UInt8(ascii: "#") } ?? false
            }
            let (entries, faults) = DotEnv.scan(bytes)
            #expect(entries.count + faults.count == meant.count, "seed 0xBAD, \(bytes)")
        }
    }
}
