import TallyCore
import TallyTestSupport
import Testing

@testable import TallyTrack

@Suite("Any input")
struct ParserFuzzTests {
    static let corpus: [Request] = [
        Request(query: "clientName=acme&testID=cta&variation=B&event=purchase"),
        Request(query: "client%4Eame=a-1&testID=caf%C3%A9+%F0%9F%98%80&variation=%2E&x=%00"),
        Request(query: "clientName=acme&testID=cta&variation=B&eventID=6ba7b810-9dad"),
        Request(.form, "variation=B&clientName=acme&testID=a=b&&"),
        Request(.form, "eventID=caf%C3%A9+1&variation=B&clientName=acme&testID=a"),
        Request(query: "testID=cta", .form, "clientName=acme&variation=%42"),
        Request(.json, #"{"clientName":"acme","testID":"\ud83d\ude00é","variation":"B\/","x":[1.5e3,{"y":null}]}"#),
        Request(query: "event=e", .json, #"{"client\u004eame":"acme","testID":"t","variation":"v"}"#),
        Request(
            query: "clientName=acme", .json,
            #"[{"testID":"a","variation":"B","count":5},{"testID":"b","variation":"C"}]"#),
        Request(
            .json,
            #"[{"clientName":"c","testID":"a","variation":"B","eventID":"e-1","count":5},"#
                + #"{"clientName":"c","testID":"b","variation":"C"}]"#),
        Request(
            .ndjson,
            #"{"clientName":"acme","testID":"a","variation":"B","count":1000000}"# + "\r\n\n"
                + #"{"clientName":"b","testID":"😀","variation":"C"}"# + "\n"
        ),
    ]

    static let tokens: [[UInt8]] =
        [
            "&", "=", "%", "%4", "%C3", "%00", "%09", "%20", "+", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000",
            "{", "}", "[", "]", ",", ":", "\n", "\r\n", "\t", " ", "null", "-", "0", "1e9", "\"count\":",
            "\"testID\":", "\"eventID\":", "eventID=", "clientName", "testID=", "\u{FEFF}", "é", "\u{85}", "tally",
        ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0]]

    static func isPrintable(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } }

    @Test("never stops the process, and what is accepted keeps all rules")
    func mutations() async {
        // A debug build takes some 40 to 100 µs for one.
        let runs = Torture.rounds(full: 7_000_000, short: 140_000)
        let seed = Torture.seed
        var random = SplitMix64(seed: seed)
        var parser = TrackParser()
        var accepted = 0
        for run in 0..<runs {
            var request = Self.corpus[Int.random(in: 0..<Self.corpus.count, using: &random)]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                if request.type == nil || Int.random(in: 0..<8, using: &random) == 0 {
                    ByteMutation.mutate(&request.query, tokens: Self.tokens, &random)
                } else {
                    ByteMutation.mutate(&request.body, tokens: Self.tokens, &random)
                }
            }
            await Torture.giveWay(run: run)
            let fault = Self.check(request, &parser, &accepted)
            if let fault { Issue.record("run \(run) of seed \(seed): \(fault): \(request.testDescription)") }
        }
        // Mutations that the parser only ever refuses would show nothing.
        #expect(accepted > runs / 20, "seed \(seed)")
        #expect(accepted < runs, "seed \(seed)")
    }

    /// Says which rule the parser broke. Kept free of `#expect`, which is too slow to be called a million times.
    static func check(_ request: Request, _ parser: inout TrackParser, _ accepted: inout Int) -> String? {
        let result = request.query.withUnsafeBytes { query in
            request.body.withUnsafeBytes { body in
                Result { () throws(TrackRejection) in
                    try parser.parse(query: query, body: request.type.map { TrackBody($0, body) })
                }
            }
        }
        switch result {
        case .failure(let rejection):
            if !parser.items.isEmpty || parser.hasEventIDs { return "items are left" }
            if rejection.faults.count > FaultList.maximumListed { return "too many faults" }
            let texts = [rejection.detail] + rejection.faults.flatMap { [$0.parameter, $0.detail] }
            return texts.allSatisfy { isPrintable($0) && !$0.isEmpty } ? nil : "an unsafe text"
        case .success(let shape):
            accepted += 1
            let ids = parser.items.indices.map { index in
                let length = parser.items[index].length
                return parser.withFieldAndID(index) { Array($0.dropFirst(length)) }
            }.filter { !$0.isEmpty }
            if parser.hasEventIDs == ids.isEmpty { return "IDs that are not announced" }
            if ids.contains(where: { NameRules.faultInName($0) != nil }) { return "a bad event ID" }
            for index in parser.items.indices {
                guard let field = CounterField.unpack(parser.field(index)) else { return "a field that is not one" }
                if NameRules.faultInClient(Array(field.client.string.utf8)) != nil { return "a bad client" }
                for name in [field.test, field.variation, field.event]
                where NameRules.faultInName(Array(name.string.utf8)) != nil { return "a bad name" }
                guard (1...1_000_000).contains(parser.items[index].count) else { return "a bad count" }
            }
            switch shape {
            case .single: return parser.items.count == 1 && parser.items[0].count == 1 ? nil : "not a single count"
            case .batch(let sum):
                if parser.items.isEmpty || parser.items.count > 1000 { return "a bad number of items" }
                return sum == parser.items.reduce(0) { $0 + $1.count } ? nil : "a wrong sum"
            }
        }
    }

    // MARK: Round trip

    static func name(_ random: inout SplitMix64) -> Name {
        let scalars: [Unicode.Scalar] = [
            "a", "Z", "0", ".", "$", "%", "+", "&", "=", " ", "\"", "\\", "/", ";", "é", "\u{301}", "€", "\u{A0}", "😀",
            "\u{10FFFF}",
        ]
        while true {
            var text = ""
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &random)])
            }
            if NameRules.faultInName(Array(text.utf8)) == nil { return Name(text) }
        }
    }

    static func item(_ random: inout SplitMix64) -> Parsed.Item {
        let client = "c" + String(random.next(), radix: 36)
        let event = Bool.random(using: &random) ? Name.view : Self.name(&random)
        return Parsed.Item(
            client: Name(client), test: Self.name(&random), variation: Self.name(&random), event: event,
            count: Int64.random(in: 1...1_000_000, using: &random),
            id: Bool.random(using: &random) ? Self.name(&random) : nil)
    }

    /// Name and value of what makes up an item, in any order; the default event sometimes by its absence.
    static func pairs(_ item: Parsed.Item, _ random: inout SplitMix64) -> [(String, String)] {
        var pairs = [("clientName", item.client), ("testID", item.test), ("variation", item.variation)]
        if item.event != .view || Bool.random(using: &random) { pairs.append(("event", item.event)) }
        if let id = item.id { pairs.append(("eventID", id)) }
        return pairs.shuffled(using: &random).map { ($0.0, $0.1.string) }
    }

    static func pairsText(_ item: Parsed.Item, _ random: inout SplitMix64) -> String {
        Self.pairs(item, &random).map { "\($0.0)=\(percentEncoded($0.1.utf8))" }.joined(separator: "&")
    }

    static func jsonText(_ item: Parsed.Item, _ random: inout SplitMix64) -> String {
        var members = Self.pairs(item, &random).map { name, value in
            "\(jsonString(name)):" + (Bool.random(using: &random) ? jsonString(value) : "\"\(unicodeEscapes(value))\"")
        }
        members.insert("\"count\":\(item.count)", at: Int.random(in: 0...members.count, using: &random))
        return "{" + members.joined(separator: ",") + "}"
    }

    @Test("items written in any form are read as they were")
    func roundTrip() throws {
        let seed = Torture.seed &+ 1
        var random = SplitMix64(seed: seed)
        var parser = TrackParser()
        for run in 0..<300 {
            let items = (0..<Int.random(in: 1...5, using: &random)).map { _ in Self.item(&random) }
            var single = items[0]
            single.count = 1
            let comment = Comment(rawValue: "run \(run) of seed \(seed)")
            let query = Request(query: Self.pairsText(single, &random))
            let form = Request(.form, Self.pairsText(single, &random))
            let object = Request(.json, Self.jsonText(single, &random))
            let array = Request(.json, "[" + items.map { Self.jsonText($0, &random) }.joined(separator: ",") + "]")
            let lines = Request(.ndjson, items.map { Self.jsonText($0, &random) }.joined(separator: "\n"))
            for request in [query, form, object] {
                #expect(try parse(request, with: &parser) == .single(single), comment)
            }
            for request in [array, lines] { #expect(try parse(request, with: &parser) == .batch(items), comment) }
        }
    }
}
