import TallyCore
import Testing

@testable import TallyTrack

@Suite("Batch")
struct BatchTests {
    static let item = #"{"clientName":"acme","testID":"cta","variation":"B"}"#

    static func item(count: String) -> String {
        #"{"clientName":"acme","testID":"cta","variation":"B","count":\#(count)}"#
    }

    @Test("an array is a batch, also of one item")
    func array() throws {
        #expect(try parse(Request(.json, "[\(Self.item)]")) == .batch([.init()]))
        let body = #"[ \#(Self.item) , {"variation":"é","clientName":"b","event":"e","testID":"t","count":1000000}]"#
        #expect(
            try parse(Request(.json, body))
                == .batch([.init(), .init(client: "b", test: "t", variation: "é", event: "e", count: 1_000_000)]))
    }

    static let lines: [(String, Int)] = [
        (item, 1), (item + "\n", 1), (item + "\r\n", 1), ("\n\n \t\r\n" + item + "\n\n" + item, 2),
        (item + "\r\n\r\n" + item + "\r\n", 2), ("\u{FEFF}" + item + "\n" + item, 2), (" " + item + " \n", 1),
    ]

    @Test("lines are a batch, with or without blank ones", arguments: lines)
    func ndjson(body: String, count: Int) throws {
        #expect(try parse(Request(.ndjson, body)) == .batch(Array(repeating: .init(), count: count)))
    }

    @Test("the query holds for every item")
    func sharedQuery() throws {
        let query = "clientName=acme&event=sign%20up&count=9"
        let items = [#"{"testID":"a","variation":"B"}"#, #"{"testID":"b","variation":"C","count":3}"#]
        let expected = Parsed.batch([
            .init(test: "a", event: "sign up"), .init(test: "b", variation: "C", event: "sign up", count: 3),
        ])
        #expect(try parse(Request(query: query, .json, "[\(items.joined(separator: ","))]")) == expected)
        #expect(try parse(Request(query: query, .ndjson, items.joined(separator: "\n"))) == expected)
        #expect(try parse(Request(query: "clientName=acme&testID=cta&variation=B", .json, "[{},{}]")).items.count == 2)
    }

    static let refused: [(String, [String], [String])] = [
        ("", ["{}"], ["[0].clientName is missing", "[0].testID is missing", "[0].variation is missing"]),
        ("", [item, item, item, #"{"clientName":"acme","testID":"cta","variation":""}"#], ["[3].variation is empty"]),
        (
            "", [item(count: "0"), item(count: "1,\"testID\":\"x\",\"count\":5")],
            ["[0].count \(notCount)", "[1].testID is given more than once", "[1].count is given more than once"]
        ),
        (
            "testID=x", [item, #"{"clientName":"acme","variation":"B"}"#, item],
            ["[0].testID is given more than once", "[2].testID is given more than once"]
        ),
        (
            "testID=&clientName=a&clientName=b&x=%", [#"{"variation":"B"}"#, #"{"variation":1}"#],
            [
                "clientName is given more than once", "testID is empty",
                "x has broken percent-encoding; write a percent sign itself as %25", "[1].variation must be a string",
            ]
        ),
        (
            "", ["1", item, "[]", "null"],
            ["[0] must be a JSON object", "[2] must be a JSON object", "[3] must be a JSON object"]
        ),
        (
            "", [#"{"clientName":"acme","testID":"\ud800","variation":"B","x":"\ud800","event":1}"#],
            ["[0].testID is not valid Unicode", "[0].event must be a string", "[0].x is not valid Unicode"]
        ),
    ]

    @Test("one bad item refuses the whole body, and is named", arguments: refused)
    func refuses(query: String, items: [String], expected: [String]) {
        #expect(faults(Request(query: query, .json, "[\(items.joined(separator: ","))]")) == expected)
        // As lines, with a blank one before each, so that lines and items are numbered differently.
        let lines = items.map { "\n\($0)\n" }.joined()
        let expectedOfLines = expected.map { fault in
            guard fault.hasPrefix("["), let index = Int(fault.dropFirst().prefix { $0 != "]" }) else { return fault }
            return "\(fault) (line \(2 * index + 2))"
        }
        #expect(faults(Request(query: query, .ndjson, lines)) == expectedOfLines)
    }

    static let notCount = "must be a whole number from 1 to 1000000"

    @Test("a count is a whole number from 1 to 1000000", arguments: [("1", 1), ("5", 5), ("1000000", 1_000_000)])
    func count(text: String, count: Int64) throws {
        #expect(try parse(Request(.json, "[\(Self.item(count: text))]")) == .batch([.init(count: count)]))
    }

    @Test(
        "anything else as a count is refused",
        arguments: [
            "0", "-0", "-1", "1000001", "5.0", "1.5", "1e3", "1E0", "\"5\"", "null", "true", "[1]", "{}",
            "9223372036854775807",
            "9223372036854775808", "18446744073709551617", "100000000000000000000000000000000000001",
        ])
    func notCount(text: String) {
        #expect(faults(Request(.json, "[\(Self.item(count: text))]")) == ["[0].count \(Self.notCount)"])
        #expect(faults(Request(.ndjson, Self.item(count: text))) == ["[0].count \(Self.notCount) (line 1)"])
    }

    @Test("a thousand items are taken and their counts summed up")
    func thousand() throws {
        let items = Array(repeating: Self.item(count: "1000000"), count: 1000)
        #expect(try parse(Request(.json, "[\(items.joined(separator: ","))]")).shape == .batch(accepted: 1_000_000_000))
        #expect(try parse(Request(.ndjson, items.joined(separator: "\n"))).shape == .batch(accepted: 1_000_000_000))
    }

    @Test("the item after the thousandth refuses the body, whatever it is")
    func tooMany() {
        let expected = TrackRejection(status: 400, detail: "at most 1000 items; split it")
        for last in [Self.item, "broken"] {
            let items = Array(repeating: Self.item, count: 1000) + [last]
            #expect(rejection(Request(.json, "[\(items.joined(separator: ","))]")) == expected)
            #expect(rejection(Request(.ndjson, items.joined(separator: "\n"))) == expected)
        }
    }

    @Test(
        "a batch without items is refused",
        arguments: [
            Request(.json, "[]"), Request(.json, " [ ] "), Request(.ndjson, "\n"), Request(.ndjson, " \r\n\t"),
            Request(.ndjson, "\u{FEFF}"), Request(query: "clientName=acme&testID=cta&variation=B", .json, "[]"),
        ])
    func empty(request: Request) {
        #expect(
            rejection(request)
                == TrackRejection(status: 400, detail: "the body holds no item; send at least one JSON object"))
    }

    @Test("at most 20 faults are listed, and the detail says how many there are")
    func manyFaults() {
        let refused = rejection(Request(.json, "[\(Array(repeating: "{}", count: 50).joined(separator: ","))]"))
        #expect(refused?.faults.count == 20)
        #expect(refused?.faults.last?.parameter == "[6].testID")
        #expect(refused?.detail == "150 faults, the first 20 of them listed under errors")
    }

    static let brokenLines: [(String, String)] = [
        ("\(item)\n{]\n", "a key in quotation marks or } at byte 54 of the body, in line 2"),
        ("\r\n\n{\n}", "a key in quotation marks or } at byte 4 of the body, in line 3, where the line ends"),
        ("{\"a\":", "a value at byte 5 of the body, in line 1, where the body ends"),
        ("\(item) \(item)", "nothing more at byte 53 of the body, in line 1"),
        ("\(item),\n\(item)", "nothing more at byte 52 of the body, in line 1"),
        ("[\(item)", "a comma or ] at byte 53 of the body, in line 1, where the body ends"),
    ]

    @Test("a broken line is refused with its place", arguments: brokenLines)
    func broken(body: String, expected: String) {
        #expect(
            rejection(Request(.ndjson, body))
                == TrackRejection(status: 400, detail: "broken JSON: expected \(expected)"))
    }

    @Test("a line that is not UTF-8 is refused with its place")
    func notUTF8() {
        let body = Array("\(Self.item)\n\n{\"x\":\"".utf8) + [0x80]
        #expect(
            rejection(Request(.ndjson, body))?.detail
                == "broken JSON: expected UTF-8 at byte 60 of the body, in line 3")
    }
}
