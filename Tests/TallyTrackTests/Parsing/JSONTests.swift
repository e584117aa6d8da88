import TallyCore
import Testing

@testable import TallyTrack

@Suite("JSON")
struct JSONTests {
    static let rest = #""testID":"cta","variation":"B""#

    static let understood: [(String, Parsed.Item)] = [
        (#"{"clientName":"acme",\#(rest)}"#, .init()),
        (" \t\r\n{ \"clientName\" : \"acme\" ,\n\(rest)\r}\n", .init()),
        ("\u{FEFF}{\"clientName\":\"acme\",\(rest)}", .init()),
        (#"{"client\u004eame":"\u0061cm\u0065",\#(rest)}"#, .init()),
        (#"{"clientName":"acme",\#(rest),"event":"\"\\\/"}"#, .init(event: #""\/"#)),
        (#"{"clientName":"acme",\#(rest),"event":"\uD83D\uDE00"}"#, .init(event: "😀")),
        (#"{"clientName":"acme",\#(rest),"event":"\ud83d\ude00é😀"}"#, .init(event: "😀é😀")),
        (#"{"clientName":"acme",\#(rest),"event":"\uFFFF\u10ffff"}"#, .init(event: "\u{FFFF}\u{10FF}ff")),
        (#"{"clientName":"acme",\#(rest),"event":"a+b%41"}"#, .init(event: "a+b%41")),
        (#"{"clientName":"acme",\#(rest),"count":7}"#, .init()),
        (#"{"clientName":"acme",\#(rest),"count":"x","count":-1.5e+3}"#, .init()),
        (#"{"clientName":"acme",\#(rest),"x":[null,true,false,{"testID":1,"testID":[]},"",[[]],{}],"x":0}"#, .init()),
        (
            #"{"clientName":"acme",\#(rest),"x":[0,-0,1.5,10e5,1E-5,-12.25e+07,123456789012345678901234567890]}"#,
            .init()
        ),
        (#"{"clientName":"acme",\#(rest),"clientname":"x","":"\b\f\n\r\t\u0000"}"#, .init()),
    ]

    @Test("an object is a single count", arguments: understood)
    func understands(json: String, item: Parsed.Item) throws {
        #expect(try parse(Request(.json, json)) == .single(item))
    }

    @Test("query and object complete each other")
    func completes() throws {
        #expect(try parse(Request(query: "clientName=acme", .json, "{\(Self.rest)}")) == .single(.init()))
    }

    static let refused: [(String, [String])] = [
        ("{}", ["clientName is missing", "testID is missing", "variation is missing"]),
        (
            #"{"clientName":"","testID":"","variation":"","event":""}"#,
            ["clientName is empty", "testID is empty", "variation is empty", "event is empty"]
        ),
        (
            #"{"clientName":null,"testID":1,"variation":["B"],"event":{"a":true}}"#,
            [
                "clientName must be a string", "testID must be a string", "variation must be a string",
                "event must be a string",
            ]
        ),
        (#"{"clientName":"acme","clientName":"acme",\#(rest)}"#, ["clientName is given more than once"]),
        (#"{"clientName":"acme",\#(rest),"test\u0049D":"cta"}"#, ["testID is given more than once"]),
        (
            #"{"clientName":"acme",\#(rest),"testID":null}"#,
            ["testID is given more than once", "testID must be a string"]
        ),
        (#"{"clientName":"acme",\#(rest),"event":"\ud83d"}"#, ["event is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"event":"\ude00\ud83d"}"#, ["event is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"event":"\ud83d\u0041"}"#, ["event is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"event":"\ud83d\n"}"#, ["event is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"event":"\ud83d\ud83d\ude00"}"#, ["event is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"x":[{"\ud800":1}]}"#, ["x is not valid Unicode"]),
        (#"{"clientName":"acme",\#(rest),"\udfff":1}"#, [#"\x5Cudfff is not valid Unicode"#]),
        (#"{"clientName":"acme",\#(rest),"event":"\u0000"}"#, ["event holds a control character"]),
    ]

    @Test("all faults of an object are named at once", arguments: refused)
    func refuses(json: String, expected: [String]) {
        #expect(faults(Request(.json, json)) == expected)
        #expect(rejection(Request(.json, json))?.status == 400)
    }

    static let broken: [(String, Int, String)] = [
        (" ", 1, "a value"), ("\u{FEFF}", 3, "a value"), ("clientName=acme", 0, "a value"), ("'a'", 0, "a value"),
        ("{", 1, "a key in quotation marks or }"), ("{,}", 1, "a key in quotation marks or }"),
        ("{a:1}", 1, "a key in quotation marks or }"), ("{1:1}", 1, "a key in quotation marks or }"),
        (#"{"a"}"#, 4, "a colon"), (#"{"a":}"#, 5, "a value"), (#"{"a":1"#, 6, "a comma or }"),
        (#"{"a":1 "b":2}"#, 7, "a comma or }"), (#"{"a":1,}"#, 7, "a key in quotation marks"),
        (#"{"a":1]"#, 6, "a comma or }"), (#"{"a":[1,]}"#, 8, "a value"), (#"{"a":[1 2]}"#, 8, "a comma or ]"),
        (#"{"a":[}"#, 6, "a value"), (#"{"a":tru}"#, 5, "a value"), (#"{"a":True}"#, 5, "a value"),
        (#"{"a":nul"#, 5, "a value"), (#"{"a":NaN}"#, 5, "a value"), (#"{"a":+1}"#, 5, "a value"),
        (#"{"a":.5}"#, 5, "a value"), (#"{"a":01}"#, 6, "a comma or }"), (#"{"a":-}"#, 6, "a digit"),
        (#"{"a":1.}"#, 7, "a digit"), (#"{"a":1e}"#, 7, "a digit"), (#"{"a":1e+}"#, 8, "a digit"),
        (#"{"a":0x1}"#, 6, "a comma or }"), (#"{"a":/**/1}"#, 5, "a value"),
        ("{\"a\":\"\t\"}", 6, "a control character to be written as an escape"),
        ("{\"a\":\"\u{0}\"}", 6, "a control character to be written as an escape"),
        (#"{"a":"x"#, 7, "a closing quotation mark"), (#"{"a":"x\"#, 8, "an escape"),
        (#"{"a":"\x"}"#, 7, #"one of " \ / b f n r t u after a backslash"#),
        (#"{"a":"\u12"}"#, 10, #"four hexadecimal digits after \u"#),
        (#"{"a":"\u12g4"}"#, 10, #"four hexadecimal digits after \u"#),
        (#"{"a":"\ud83d\u12"}"#, 16, #"four hexadecimal digits after \u"#),
        ("{} {}", 3, "nothing more"), ("{}x", 2, "nothing more"), ("{},", 2, "nothing more"),
        ("[]]", 2, "nothing more"),
        ("{}\u{FEFF}", 2, "nothing more"), ("\u{A0}{}", 0, "a value"), ("1 2", 2, "nothing more"),
        ("[", 1, "a value"), ("[,]", 1, "a value"), ("[{}", 3, "a comma or ]"), ("[{},]", 4, "a value"),
    ]

    @Test("broken JSON is refused with the place and what should stand there", arguments: broken)
    func brokenJSON(json: String, offset: Int, expected: String) {
        let end = offset == json.utf8.count ? ", where the body ends" : ""
        let detail = "broken JSON: expected \(expected) at byte \(offset)\(end)"
        #expect(rejection(Request(.json, json)) == TrackRejection(status: 400, detail: detail))
    }

    @Test(
        "bytes that are not UTF-8 are refused wherever they stand",
        arguments: [
            ([0xFF], 0), (Array(#"{"x":""#.utf8) + [0xC3, 0x28], 6), (Array(#"{"x":""#.utf8) + [0xED, 0xA0, 0x80], 6),
            (Array("{} ".utf8) + [0xC0, 0x80], 3), (Array("{}123456789".utf8) + [0xF0, 0x9F, 0x98], 11),
        ] as [([UInt8], Int)])
    func notUTF8(body: [UInt8], offset: Int) {
        #expect(rejection(Request(.json, body))?.detail == "broken JSON: expected UTF-8 at byte \(offset)")
    }

    @Test(
        "any other value than an object or an array is refused", arguments: ["1", "\"a\"", "null", " true ", "-1.5e3"])
    func otherValue(json: String) {
        #expect(
            rejection(Request(.json, json))?.detail
                == "the body must be a JSON object, or an array of at most 1000 of them")
    }

    @Test("32 arrays and objects within each other are taken, 33 are not", arguments: [("[", "]"), ("{\"x\":", "}")])
    func nesting(open: String, close: String) throws {
        func body(_ depth: Int) -> String {
            let inner = String(repeating: open, count: depth - 1) + "0" + String(repeating: close, count: depth - 1)
            return #"{"clientName":"acme",\#(Self.rest),"x":\#(inner)}"#
        }
        #expect(try parse(Request(.json, body(32))) == .single(.init()))
        let refused = rejection(Request(.json, body(33)))
        #expect(
            refused?.detail.hasPrefix("broken JSON: expected at most 32 arrays and objects within each other") == true)
        // A hundred thousand of them must not cost a stack either.
        #expect(rejection(Request(.json, String(repeating: open, count: 100_000)))?.status == 400)
    }

    @Test("the check of UTF-8 finds the same faults as the standard library")
    func utf8Check() {
        let edges: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
            0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        var disagreements = 0
        func check(_ bytes: [UInt8]) {
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            if (bytes.withUnsafeBytes { UTF8Check.firstFault(in: $0) } == nil) != isValid { disagreements += 1 }
        }
        for first in edges {
            for second in edges {
                check([first, second])
                for third in edges {
                    check([first, second, third])
                    if first >= 0xF0 { for fourth in edges { check([first, second, third, fourth]) } }
                }
            }
        }
        #expect(disagreements == 0)
    }
}
