import TallyCore
import Testing

@testable import TallyTrack

@Suite("Names in all forms")
struct NameFormsTests {
    /// Names that one form or another is apt to change or to misjudge.
    static let names: [String] = [
        "é", "e\u{301}", "a.b", "$inc", "__proto__", "%2E", "%", "+", "a+b", "😀", "👩‍👩‍👧", "a b", " a", "a ", " ", "",
        String(repeating: "x", count: 64), String(repeating: "x", count: 65), String(repeating: "é", count: 32),
        String(repeating: "é", count: 32) + "x", String(repeating: "😀", count: 16), "\u{0}", "a\u{0}b", "a\tb", "\t",
        "a\nb", "\r", "\u{7F}", "\u{85}", "a\u{80}", "\u{9F}b", "\u{A0}", "\u{2028}", "\u{FEFF}", "\u{FFFD}",
        "\u{FFFF}", "\u{10FFFF}", "a&b=c;d", "\"", "\\", "\\u0041", "a/b", "null", "0", "view", "tally", "[0].x",
        "ß", "İ", "\u{200B}",
    ]

    @Test("a name comes out byte for byte, or is refused for the reason that NameRules gives", arguments: names)
    func sameInAllForms(text: String) {
        let name = Name(text)
        for parameter in ["testID", "variation", "event", "eventID"] {
            func others(_ write: (String, String) -> String) -> [String] {
                [("clientName", "acme"), ("testID", "cta"), ("variation", "B")].filter { $0.0 != parameter }.map(write)
            }
            let pairs = (others { "\($0)=\($1)" } + ["\(parameter)=\(percentEncoded(text.utf8))"]).joined(
                separator: "&")
            let members = others { "\"\($0)\":\"\($1)\"" }
            let plain = "{" + (members + ["\"\(parameter)\":\(jsonString(text))"]).joined(separator: ",") + "}"
            let escaped =
                "{" + (["\"\(parameter)\":\"\(unicodeEscapes(text))\""] + members).joined(separator: ",") + "}"
            var item = Parsed.Item()
            switch parameter {
            case "testID": item.test = name
            case "variation": item.variation = name
            case "event": item.event = name
            default: item.id = name
            }
            let fault = NameRules.faultInName(Array(text.utf8))
            let requests: [(Request, String)] = [
                (Request(query: pairs), parameter), (Request(.form, pairs), parameter),
                (Request(.json, plain), parameter), (Request(.json, escaped), parameter),
                (Request(.json, "[\(plain)]"), "[0].\(parameter)"), (Request(.ndjson, escaped), "[0].\(parameter)"),
            ]
            for (request, label) in requests {
                do {
                    let parsed = try parse(request)
                    #expect(fault == nil && parsed.items == [item], "\(request.testDescription)")
                } catch {
                    let line = request.type == .ndjson ? " (line 1)" : ""
                    #expect(error.faults.map(\.parameter) == [label], "\(request.testDescription)")
                    #expect(error.faults.map(\.detail) == [(fault ?? "nothing is wrong with it") + line])
                }
            }
        }
    }

    @Test(
        "a client's name is judged by NameRules in all forms",
        arguments: names + ["acme", "A-1_b", "system", "_a", "9"])
    func client(text: String) {
        let fault = NameRules.faultInClient(Array(text.utf8))
        let requests = [
            Request(query: "testID=cta&variation=B&clientName=\(percentEncoded(text.utf8))"),
            Request(.form, "testID=cta&variation=B&clientName=\(percentEncoded(text.utf8))"),
            Request(.json, "{\"clientName\":\(jsonString(text)),\"testID\":\"cta\",\"variation\":\"B\"}"),
        ]
        for request in requests {
            do {
                let parsed = try parse(request)
                #expect(fault == nil && parsed.items.map(\.client) == [Name(text)], "\(request.testDescription)")
            } catch {
                #expect(error.faults.map(\.detail) == [fault], "\(request.testDescription)")
            }
        }
    }

    @Test("what PlainNames lets pass, NameRules lets pass")
    func plainNames() {
        let plain = PlainNames()
        var candidates: [[UInt8]] = [[]] + NameRules.reservedClients.map { Array($0.utf8) }
        for first in UInt8.min...UInt8.max {
            candidates.append([first])
            candidates.append(Array(repeating: first, count: 64))
            candidates.append(Array(repeating: first, count: 65))
            for second in UInt8.min...UInt8.max { candidates.append([first, second]) }
            candidates.append([UInt8(ascii: "a"), first, UInt8(ascii: "z")])
        }
        var mistakes: [[UInt8]] = []
        var passed = 0
        for bytes in candidates {
            let (isClient, isName) = bytes.withUnsafeBytes { (plain.isClient($0), plain.isName($0)) }
            if isClient, NameRules.faultInClient(bytes) != nil { mistakes.append(bytes) }
            if isName, NameRules.faultInName(bytes) != nil { mistakes.append(bytes) }
            if isName { passed += 1 }
        }
        #expect(mistakes.isEmpty)
        // 95 printable characters; those of two and more must not be slow for want of passing here.
        #expect(passed >= 94 * 94)
    }
}
