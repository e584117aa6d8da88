internal import TallyCore

/// Parses and checks every form of a request to /track: query, form, JSON, a JSON array, lines of JSON.
///
/// One per event loop, used again for each request, and never copied. It keeps its memory, so that a request without a
/// fault costs no allocation once the arrays have grown; what it keeps is bounded by the largest query, plus 1 MiB of
/// body, plus 1,000 packed names and event IDs.
///
/// Source of the rules: the project's description of the HTTP interface; names are judged by `NameRules`.
public struct TrackParser: ~Copyable {
    /// The largest body; a larger one is refused with 413.
    public static let maximumBodyBytes = 1 << 20
    /// The most items of a batch.
    public static let maximumItems = 1000

    /// What the last request counts; valid until the next `parse`, and empty after a rejection. A single count is one
    /// item. A counter may stand in several items of a batch.
    public internal(set) var items: [TrackItem] = []

    /// Whether an item of the last request carries an event ID: then only a buffer that remembers IDs may take it.
    public internal(set) var hasEventIDs = false

    /// The packed names of `items`, one after the other, each with its event ID behind it.
    var fields: [UInt8] = []
    /// The decoded values of the request, those of the query first, then those of the body or of one item.
    var values: [UInt8] = []
    var faults = FaultList()
    let plainNames = PlainNames()
    let defaultEvent = Array(Name.view.string.utf8)

    public init() {}

    /// Parses a request.
    /// - Parameters:
    ///   - query: the bytes after `?`, still encoded; may be empty. In a batch its parameters hold for every item.
    ///   - body: a body without bytes is the same as none.
    /// - Returns: the form of the request; what it counts is then in `items`.
    /// - Throws: `TrackRejection`, with all faults of the request at once.
    public mutating func parse(query: UnsafeRawBufferPointer, body: TrackBody?) throws(TrackRejection) -> TrackShape {
        self.items.removeAll(keepingCapacity: true)
        self.fields.removeAll(keepingCapacity: true)
        self.values.removeAll(keepingCapacity: true)
        self.faults.removeAll()
        self.hasEventIDs = false
        do {
            return try self.read(query: query, body: body)
        } catch {
            // What stands here belongs to a refused request and must not be counted.
            self.items.removeAll(keepingCapacity: true)
            self.hasEventIDs = false
            throw error
        }
    }

    /// Calls `body` with the packed name of an item, `client TAB test TAB variation TAB event` (`CounterField`).
    ///
    /// The pointer is valid during the call only.
    /// - Parameter item: an index of `items`.
    @inline(__always)
    public func withField<Result>(_ item: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let item = self.items[item]
        // The slice's bounds are those of bytes appended to `fields` after it was emptied, so they lie within it.
        return self.fields.withUnsafeBytes { fields in
            body(UnsafeRawBufferPointer(rebasing: fields[item.offset..<item.offset + item.length]))
        }
    }

    /// Calls `body` with the packed name of an item and the event ID behind it, under the same terms.
    @inline(__always)
    func withFieldAndID<Result>(_ item: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let item = self.items[item]
        // Both were appended to `fields` one after the other, so the slice lies within it.
        return self.fields.withUnsafeBytes { fields in
            body(UnsafeRawBufferPointer(rebasing: fields[item.offset..<item.offset + item.length + item.idLength]))
        }
    }

    /// The packed name of an item, as `withField` gives it.
    public func field(_ item: Int) -> ArraySlice<UInt8> {
        let item = self.items[item]
        return self.fields[item.offset..<item.offset + item.length]
    }

    private mutating func read(query: UnsafeRawBufferPointer, body: TrackBody?) throws(TrackRejection) -> TrackShape {
        var given = GivenParameters()
        FormScanner.scan(query, into: &given, values: &self.values, faults: &self.faults)
        guard let body, !body.bytes.isEmpty else { return try self.finishSingle(given) }
        guard body.bytes.count <= Self.maximumBodyBytes else {
            throw TrackRejection(
                status: 413, detail: "the body is larger than \(Self.maximumBodyBytes) bytes; split it")
        }
        switch body {
        case .form(let bytes):
            FormScanner.scan(bytes, into: &given, values: &self.values, faults: &self.faults)
            return try self.finishSingle(given)
        case .json(let bytes):
            return try self.readJSON(bytes, query: given)
        case .ndjson(let bytes):
            return try self.readLines(bytes, query: given)
        }
    }
}
