import TallyCore
import Testing

@testable import TallyTrack

@Suite("Query and form")
struct FormTests {
    static let understood: [(String, Parsed.Item)] = [
        ("clientName=acme&testID=cta&variation=B", .init()),
        ("variation=B&event=purchase&testID=cta&clientName=acme", .init(event: "purchase")),
        ("clientName=acme&testID=cta&variation=B&event=view", .init()),
        ("&&clientName=acme&&testID=cta&variation=B&", .init()),
        ("client%4Eame=acme&test%49%44=cta&variation=B", .init()),
        ("clientName=%61%63%6d%65&testID=%63ta&variation=%42", .init()),
        ("clientName=acme&testID=a+b%20c%2Bd&variation=B", .init(test: "a b c+d")),
        ("clientName=acme&testID=a=b=c&variation==", .init(test: "a=b=c", variation: "=")),
        ("clientName=acme&testID=a;b&variation=B;event=x", .init(test: "a;b", variation: "B;event=x")),
        ("clientName=acme&testID=%2526&variation=%26", .init(test: "%26", variation: "&")),
        ("clientName=acme&testID=cta&variation=B&count=7&count=x", .init()),
        ("clientName=acme&testID=cta&variation=B&ClientName=x&utm=1&utm=2&=&=x&flag", .init()),
        ("clientName=acme&testID=cta&variation=B&x=%00%ff&%ff=1", .init()),
        ("clientName=acme&testID=caf%C3%A9&variation=café", .init(test: "café", variation: "café")),
    ]

    @Test("the same text means the same as a query and as a form", arguments: understood)
    func understands(text: String, item: Parsed.Item) throws {
        #expect(try parse(Request(query: text)) == .single(item))
        #expect(try parse(Request(.form, text)) == .single(item))
    }

    @Test("query and form complete each other")
    func completes() throws {
        #expect(try parse(Request(query: "clientName=acme&testID=cta", .form, "variation=B")) == .single(.init()))
    }

    static let broken = "has broken percent-encoding; write a percent sign itself as %25"

    static let refused: [(String, [String])] = [
        ("", ["clientName is missing", "testID is missing", "variation is missing"]),
        ("event=x", ["clientName is missing", "testID is missing", "variation is missing"]),
        (
            "clientName=&testID&variation=&event=",
            ["clientName is empty", "testID is empty", "variation is empty", "event is empty"]
        ),
        ("event=&variation=&testID=cta", ["clientName is missing", "variation is empty", "event is empty"]),
        ("clientName=acme&testID=cta&variation=B&testID=cta", ["testID is given more than once"]),
        ("clientName=acme&testID=cta&variation=B&test%49D=", ["testID is given more than once"]),
        ("clientName=acme&testID=cta&variation=B&event=&event=", ["event is given more than once"]),
        ("clientName=tally&testID=cta&variation=B", ["clientName is reserved for tally itself"]),
        ("clientName=system&testID=cta&variation=B", ["clientName is reserved for tally itself"]),
        ("clientName=a.b&testID=cta&variation=B", ["clientName may hold only ASCII letters, digits, _ and -"]),
        ("clientName=-a&testID=cta&variation=B", ["clientName must start with an ASCII letter or digit"]),
        ("clientName=acme&testID=%zz&variation=%2", ["testID \(broken)", "variation \(broken)"]),
        ("clientName=acme&testID=%&variation=B%4", ["testID \(broken)", "variation \(broken)"]),
        ("clientName=acme&testID=%z&testID=b&variation=B", ["testID is given more than once", "testID \(broken)"]),
        ("clientName=acme&testID=a&testID=%z&variation=B", ["testID is given more than once", "testID \(broken)"]),
        ("x=%g1&clientName=acme&testID=cta&variation=", ["variation is empty", "x \(broken)"]),
        ("clientName=acme&testID=cta&variation=B&x%=1", ["x% \(broken)"]),
        ("clientName=acme&testID=cta&variation=B&event%4=x", ["event%4 \(broken)"]),
        ("clientName=acme&testID=cta&variation=B&=%", ["(empty name) \(broken)"]),
        ("clientName=acme&testID=cta&variation=B&count=%", ["count \(broken)"]),
        ("clientName=acme&testID=%ff&variation=%C3", ["testID is not valid UTF-8", "variation is not valid UTF-8"]),
        (
            "clientName=acme&testID=%ED%A0%80&variation=%C0%80",
            ["testID is not valid UTF-8", "variation is not valid UTF-8"]
        ),
    ]

    @Test("all faults are named at once, in the order of the parameters", arguments: refused)
    func refuses(text: String, expected: [String]) {
        #expect(faults(Request(query: text)) == expected)
        #expect(faults(Request(.form, text)) == expected)
        #expect(rejection(Request(query: text))?.status == 400)
    }

    @Test(
        "a name in the query and in the body is repeated",
        arguments: [
            Request(query: "clientName=acme&testID=cta&variation=B", .form, "testID=cta"),
            Request(query: "clientName=acme&testID=cta&variation=B", .json, #"{"testID":"cta"}"#),
            Request(query: "testID=cta", .json, #"{"clientName":"acme","testID":"x","variation":"B"}"#),
        ])
    func repeatedOverBoth(request: Request) {
        #expect(faults(request) == ["testID is given more than once"])
    }

    @Test("a body without bytes is no body", arguments: [TrackContentType.form, .json, .ndjson])
    func emptyBody(type: TrackContentType) throws {
        #expect(try parse(Request(query: "clientName=acme&testID=cta&variation=B", type, "")) == .single(.init()))
    }

    @Test("a body of 1 MiB is taken and a larger one is a 413", arguments: [TrackContentType.form, .json, .ndjson])
    func bodyBound(type: TrackContentType) throws {
        let start =
            type == .form
            ? "clientName=acme&testID=cta&variation=B&x="
            : #"{"clientName":"acme","testID":"cta","variation":"B","x":""#
        let end = type == .form ? "" : "\"}"
        let filler = String(repeating: "x", count: TrackParser.maximumBodyBytes - start.utf8.count - end.utf8.count)
        #expect(try parse(Request(type, start + filler + end)).items == [.init()])
        let refused = rejection(Request(type, start + filler + "x" + end))
        #expect(refused == TrackRejection(status: 413, detail: "the body is larger than 1048576 bytes; split it"))
    }

    @Test("details show input as printable ASCII, 64 bytes at most")
    func safeEcho() {
        let name = "\u{1B}[31mé\\" + String(repeating: "n", count: 100)
        let refused = rejection(Request(query: "clientName=acme&testID=cta&variation=B&\(name)=%"))
        let shown = #"\x1B[31m\xC3\xA9\x5C"# + String(repeating: "n", count: 56) + "..."
        #expect(refused?.faults.first?.parameter == shown)
        #expect(refused?.detail == "\(shown) \(Self.broken)")
    }

    @Test("a rejection says in one line what is wrong, or how much")
    func summary() {
        #expect(rejection(Request(query: "clientName=acme&testID=cta"))?.detail == "variation is missing")
        #expect(rejection(Request(query: "clientName=acme"))?.detail == "2 faults, listed under errors")
    }

    @Test("at most 20 faults are listed and all are counted, also those of unknown parameters")
    func bound() {
        let refused = rejection(Request(query: "testID=" + (0..<30).map { "&x\($0)=%" }.joined()))
        #expect(refused?.faults.count == 20)
        #expect(refused?.faults.prefix(4).map(\.parameter) == ["clientName", "testID", "variation", "x0"])
        #expect(refused?.detail == "33 faults, the first 20 of them listed under errors")
    }

    @Test("a parser forgets one request before the next")
    func reuse() throws {
        var parser = TrackParser()
        let good = Request(query: "clientName=acme&testID=cta&variation=B")
        #expect(try parse(good, with: &parser) == .single(.init()))
        #expect(throws: TrackRejection.self) { try parse(Request(.ndjson, "{}\n{}"), with: &parser) }
        let bad = #expect(throws: TrackRejection.self) {
            try parse(Request(query: "testID=a&variation=B"), with: &parser)
        }
        #expect(bad?.faults == [ParameterFault(parameter: "clientName", detail: "is missing")])
        #expect(try parse(good, with: &parser) == .single(.init()))
    }
}
