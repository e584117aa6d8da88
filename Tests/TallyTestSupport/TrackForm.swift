public import NIOHTTP1

/// The forms in which `/track` takes counts.
public enum TrackForm: String, Sendable, CaseIterable {
    case get
    case postQuery
    case form
    case jsonObject
    /// JSON sent as `text/plain`, as `navigator.sendBeacon` does.
    case plainText
    case jsonArray
    case ndjson

    /// Whether it carries many items with a `count` each, rather than one hit.
    public var isBatch: Bool { self == .jsonArray || self == .ndjson }
}

/// One request to `/track`.
public struct TrackRequest: Sendable {
    public struct Item: Sendable {
        public let counter: Counter
        public let count: Int64
        public let eventID: String?

        public init(_ counter: Counter, _ count: Int64 = 1, eventID: String? = nil) {
            self.counter = counter
            self.count = count
            self.eventID = eventID
        }
    }

    public let method: HTTPMethod
    public let path: String
    public let headers: HTTPHeaders
    public let body: [UInt8]?
    public let items: [Item]

    /// The sum of the counts.
    public var total: Int64 { self.items.reduce(0) { $0 + $1.count } }

    /// - Parameters:
    ///   - items: one item with the count 1, unless the form is a batch.
    public init(_ form: TrackForm, _ items: [Item]) {
        precondition(form.isBatch || items.count == 1 && items[0].count == 1, "\(form.rawValue) carries one count")
        self.items = items
        let contentType: String?
        let text: String?
        switch form {
        case .get, .postQuery:
            self.path = "/track?" + Self.urlEncoded(items[0])
            contentType = nil
            text = form == .get ? nil : ""
        default:
            self.path = "/track"
            switch form {
            case .form:
                contentType = "application/x-www-form-urlencoded"
                text = Self.urlEncoded(items[0])
            case .jsonObject:
                contentType = "application/json"
                text = Self.json(items[0])
            case .plainText:
                contentType = "text/plain;charset=UTF-8"
                text = Self.json(items[0])
            case .ndjson:
                contentType = "application/x-ndjson"
                text = items.map { Self.json($0) + "\n" }.joined()
            default:
                contentType = "application/json"
                text = "[" + items.map { Self.json($0) }.joined(separator: ",") + "]"
            }
        }
        self.method = form == .get ? .GET : .POST
        self.headers = contentType.map { ["Content-Type": $0] } ?? [:]
        self.body = text.map { Array($0.utf8) }
    }

    private static func parameters(_ item: Item) -> [(String, String)] {
        let counter = item.counter
        var parameters = [
            ("clientName", counter.client.string), ("testID", counter.test.string),
            ("variation", counter.variation.string),
        ]
        if counter.event != .view { parameters.append(("event", counter.event.string)) }
        if let eventID = item.eventID { parameters.append(("eventID", eventID)) }
        return parameters
    }

    private static func urlEncoded(_ item: Item) -> String {
        self.parameters(item).map { "\($0.0)=\(self.percentEncoded($0.1))" }.joined(separator: "&")
    }

    private static func json(_ item: Item) -> String {
        var fields = self.parameters(item).map { "\"\($0.0)\":\(JSONValue.quoted($0.1))" }
        if item.count != 1 { fields.append("\"count\":\(item.count)") }
        return "{" + fields.joined(separator: ",") + "}"
    }

    /// Everything but `[A-Za-z0-9._~-]`, the unreserved characters of RFC 3986.
    static func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
                UInt8(ascii: "-"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += byte < 16 ? "%0" : "%"
                result += String(byte, radix: 16, uppercase: true)
            }
        }
    }
}
