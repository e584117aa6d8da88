import TallyCore
import Testing

@testable import TallyTrack

@Suite("Event IDs")
struct EventIDTests {
    private static let names = "clientName=acme&testID=cta&variation=B"
    private static let members = #""clientName":"acme","testID":"cta","variation":"B""#

    static let singles: [Request] = [
        Request(query: names + "&eventID=e-1"), Request(.form, "eventID=e%2D1&" + names),
        Request(query: "eventID=e-1", .form, names), Request(query: names, .form, "eventID=e-1"),
        Request(.json, #"{"eventID":"e-1",\#(members)}"#), Request(query: "eventID=e-1", .json, "{\(members)}"),
    ]

    @Test("stand in the query, a form or an object", arguments: singles)
    func single(request: Request) throws {
        #expect(try parse(request) == .single(.init(id: "e-1")))
    }

    @Test("stand in the items of a batch, in all, some or none of them")
    func batch() throws {
        let items = [
            #"{\#(Self.members),"eventID":"e-1","count":5}"#, "{\(Self.members)}", #"{"eventID":"é",\#(Self.members)}"#,
            #"{"eventID":"e-1",\#(Self.members)}"#,
        ]
        // That the last one is a duplicate is for the buffer to find.
        let expected = Parsed.batch([.init(count: 5, id: "e-1"), .init(), .init(id: "é"), .init(id: "e-1")])
        #expect(try parse(Request(.json, "[\(items.joined(separator: ","))]")) == expected)
        #expect(try parse(Request(.ndjson, items.joined(separator: "\n"))) == expected)
    }

    @Test("of an earlier request are not taken for the next one's")
    func reused() throws {
        var parser = TrackParser()
        #expect(try parse(Request(query: Self.names + "&eventID=e-1"), with: &parser) == .single(.init(id: "e-1")))
        #expect(try parse(Request(query: Self.names), with: &parser) == .single(.init()))
        #expect(throws: TrackRejection.self) {
            try parse(Request(query: "eventID=e-1&eventID=e-1&" + Self.names), with: &parser)
        }
        #expect(try parse(Request(query: Self.names), with: &parser) == .single(.init()))
    }

    static let shared = "is for one event; give each item of the batch its own instead of one in the query"

    static let refused: [(Request, [String])] = [
        (Request(query: names + "&eventID="), ["eventID is empty"]),
        (Request(query: names + "&eventID=a&eventID=b"), ["eventID is given more than once"]),
        (Request(query: names + "&eventID=a", .form, "eventID=a"), ["eventID is given more than once"]),
        (Request(query: names + "&eventID=%"), ["eventID \(FormScanner.brokenEncoding)"]),
        (Request(.json, #"{"eventID":7,\#(members)}"#), ["eventID must be a string"]),
        (Request(.json, #"{"eventID":null,\#(members)}"#), ["eventID must be a string"]),
        (
            Request(query: "eventID=" + String(repeating: "x", count: 65)),
            [
                "clientName is missing", "testID is missing", "variation is missing", "eventID is longer than 64 bytes",
            ]
        ),
        (Request(query: "eventID=a", .json, "[{\(members)}]"), ["eventID \(shared)"]),
        (Request(query: "eventID=a", .ndjson, #"{"eventID":"b",\#(members)}"#), ["eventID \(shared)"]),
        (Request(.json, #"[{\#(members)},{"eventID":" a",\#(members)}]"#), ["[1].eventID has a space at an end"]),
        (
            Request(.json, #"[{"eventID":"a","count":0,"eventID":"b",\#(members)}]"#),
            [
                "[0].eventID is given more than once", "[0].count must be a whole number from 1 to 1000000",
            ]
        ),
    ]

    @Test("that are no names, or stand where they cannot be one event's, refuse the request", arguments: refused)
    func refuses(request: Request, expected: [String]) { #expect(faults(request) == expected) }

    @Test("are told apart from parameters of similar names")
    func similar() throws {
        for name in ["eventId", "EventID", "eventIDs", "event_ID", "eventID2"] {
            #expect(try parse(Request(query: Self.names + "&\(name)=x")) == .single(.init()))
        }
    }
}
