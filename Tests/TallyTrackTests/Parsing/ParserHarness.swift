import TallyCore
import Testing

@testable import TallyTrack

/// A request as a test writes it.
struct Request: Sendable, CustomTestStringConvertible {
    var query: [UInt8] = []
    var type: TrackContentType?
    var body: [UInt8] = []

    init(query: String = "") { self.query = Array(query.utf8) }

    init(query: String = "", _ type: TrackContentType, _ body: String) {
        self.init(query: query, type, Array(body.utf8))
    }

    init(query: String = "", _ type: TrackContentType, _ body: [UInt8]) {
        self.query = Array(query.utf8)
        self.type = type
        self.body = body
    }

    var testDescription: String {
        "?\(SafeText.show(self.query)) \(self.type.map { "\($0)" } ?? "") \(SafeText.show(self.body))"
    }
}

/// What a request counts, with its names unpacked.
struct Parsed: Equatable {
    struct Item: Equatable {
        var client: Name = "acme"
        var test: Name = "cta"
        var variation: Name = "B"
        var event: Name = "view"
        var count: Int64 = 1
        /// The event ID; compared as a name is, by its bytes.
        var id: Name?
    }

    var shape: TrackShape
    var items: [Item]

    static func single(_ item: Item) -> Parsed { Parsed(shape: .single, items: [item]) }

    static func batch(_ items: [Item]) -> Parsed {
        Parsed(shape: .batch(accepted: items.reduce(0) { $0 + $1.count }), items: items)
    }
}

/// Parses a request and unpacks what it counts.
func parse(_ request: Request, with parser: inout TrackParser) throws(TrackRejection) -> Parsed {
    // Copies of the exact size: a read behind their end stops a debug build.
    let result = request.query.withUnsafeBytes { query in
        request.body.withUnsafeBytes { body in
            Result { () throws(TrackRejection) in
                try parser.parse(query: query, body: request.type.map { TrackBody($0, body) })
            }
        }
    }
    guard case .success(let shape) = result else {
        // In values of their own: `#expect` would copy the parser.
        let (left, hasEventIDs) = (parser.items, parser.hasEventIDs)
        #expect(left.isEmpty, "a refused request must leave nothing to be counted")
        #expect(!hasEventIDs)
        return try Parsed(shape: result.get(), items: [])
    }
    let items = parser.items.indices.map { index in
        let item = parser.items[index]
        let bytes = parser.withField(index) { Array($0) }
        let slice = parser.field(index)
        #expect(bytes.elementsEqual(slice))
        guard let field = CounterField.unpack(bytes) else {
            Issue.record("not a packed name: \(SafeText.show(bytes))")
            return Parsed.Item()
        }
        let id = parser.withFieldAndID(index) { Array($0.dropFirst(item.length)) }
        return Parsed.Item(
            client: field.client, test: field.test, variation: field.variation, event: field.event, count: item.count,
            id: id.isEmpty ? nil : Name(utf8: id))
    }
    let hasEventIDs = parser.hasEventIDs
    #expect(hasEventIDs == items.contains { $0.id != nil })
    return Parsed(shape: shape, items: items)
}

func parse(_ request: Request) throws(TrackRejection) -> Parsed {
    var parser = TrackParser()
    return try parse(request, with: &parser)
}

/// The rejection of a request that must be refused.
func rejection(_ request: Request, _ location: SourceLocation = #_sourceLocation) -> TrackRejection? {
    do {
        let parsed = try parse(request)
        Issue.record("was accepted: \(parsed)", sourceLocation: location)
        return nil
    } catch {
        return error
    }
}

/// The faults of a request that must be refused, as `parameter detail`.
func faults(_ request: Request, _ location: SourceLocation = #_sourceLocation) -> [String] {
    rejection(request, location)?.faults.map { "\($0.parameter) \($0.detail)" } ?? []
}

/// Percent-encodes everything but letters and digits.
func percentEncoded(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
        let scalar = Unicode.Scalar(byte)
        if scalar.isASCII, scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
            text.unicodeScalars.append(scalar)
        } else {
            text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: byte % 2 == 0)
        }
    }
}

/// Writes a JSON string, with escapes only where JSON demands them.
func jsonString(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "\"") { json, scalar in
        switch scalar {
        case "\"", "\\": json += "\\\(scalar)"
        case "\u{0}"..<" ": json += unicodeEscapes(String(scalar))
        default: json.unicodeScalars.append(scalar)
        }
    } + "\""
}

/// Writes every UTF-16 unit as `\uXXXX`.
func unicodeEscapes(_ text: String) -> String {
    text.utf16.reduce(into: "") { json, unit in
        let digits = String(unit, radix: 16, uppercase: unit % 2 == 0)
        json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
