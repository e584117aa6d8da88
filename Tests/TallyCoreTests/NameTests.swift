import TallyCore
import Testing

@Suite struct NameTests {
    @Test("the composed and the decomposed é are two names")
    func byBytes() {
        let composed = Name("\u{E9}")
        let decomposed = Name("e\u{301}")
        #expect(composed.string == decomposed.string, "this is what Swift says of the strings")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        // 65 CC 81 sorts before C3 A9.
        #expect(decomposed < composed)
    }

    @Test(
        "a client's name is made of ASCII letters, digits, _ and -, and begins with a letter or digit",
        arguments: [
            ("acme", true), ("A", true), ("0", true), ("a_b-C9", true), (String(repeating: "a", count: 64), true),
            ("", false), (String(repeating: "a", count: 65), false), ("_a", false), ("-a", false), ("a.b", false),
            ("a b", false), ("é", false), ("a$", false), ("a/b", false), ("tally", false), ("system", false),
            ("Tally", true), ("tally2", true), ("@a", false), ("[", false), ("`", false), ("{", false),
        ])
    func clients(_ name: String, _ isGood: Bool) {
        #expect((NameRules.faultInClient(Array(name.utf8)) == nil) == isGood)
    }

    @Test(
        "any other name is 1 to 64 bytes of UTF-8, without controls, without a space at an end",
        arguments: [
            ("a", true), ("a b", true), ("a.b", true), ("$inc", true), ("__proto__", true), ("%2E", true), ("👍", true),
            (String(repeating: "é", count: 32), true), (String(repeating: "é", count: 32) + "a", false), ("", false),
            (" a", false), ("a ", false), (" ", false), ("a\tb", false), ("a\u{0}b", false), ("a\u{7F}", false),
            ("a\u{85}b", false), ("a\u{9F}", false), ("\u{A0}a", true), ("a\u{2028}b", true), ("Ā", true),
        ])
    func names(_ name: String, _ isGood: Bool) {
        #expect((NameRules.faultInName(Array(name.utf8)) == nil) == isGood)
    }

    @Test(
        "bytes that are no UTF-8 are no name",
        arguments: [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x61, 0x80]] as [[UInt8]])
    func notUTF8(_ bytes: [UInt8]) {
        #expect(NameRules.faultInName(bytes) == "is not valid UTF-8")
    }

    @Test("four names are packed and unpacked")
    func packing() throws {
        let bytes = CounterField.pack(client: "acme", test: "a.b c", variation: "é", event: "view")
        let names = try #require(CounterField.unpack(bytes))
        #expect(names == ("acme", "a.b c", "é", "view"))
        #expect(CounterField.unpack(Array("a\tb\tc".utf8)) == nil)
        #expect(CounterField.unpack(Array("a\tb\t\td".utf8)) == nil)
    }
}
