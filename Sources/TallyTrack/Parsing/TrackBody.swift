/// The body of a request to /track, by the form its content type declares.
///
/// The memory must stay valid and unchanged while `TrackParser.parse` runs; nothing refers to it afterwards.
public enum TrackBody {
    /// `application/x-www-form-urlencoded`.
    case form(UnsafeRawBufferPointer)
    /// `application/json`: an object is a single count, an array a batch.
    case json(UnsafeRawBufferPointer)
    /// One JSON object a line: always a batch.
    case ndjson(UnsafeRawBufferPointer)

    public init(_ type: TrackContentType, _ bytes: UnsafeRawBufferPointer) {
        switch type {
        case .form: self = .form(bytes)
        case .json: self = .json(bytes)
        case .ndjson: self = .ndjson(bytes)
        }
    }

    var bytes: UnsafeRawBufferPointer {
        switch self {
        case .form(let bytes), .json(let bytes), .ndjson(let bytes): bytes
        }
    }
}

/// What a request asked for, which decides the form of its answer.
public enum TrackShape: Sendable, Equatable {
    /// One count, given in the query, a form or a JSON object.
    case single
    /// A JSON array or lines of JSON. `accepted` is the sum of the counts of all items.
    case batch(accepted: Int64)
}

/// One increment of a request that was understood.
public struct TrackItem: Sendable, Equatable {
    /// Where the packed counter name begins in the parser's memory (`TrackParser.withField`).
    public let offset: Int
    /// Its length in bytes, at most `CounterField.maximumBytes`.
    public let length: Int
    /// The length in bytes of its event ID, which lies right behind the name; 0 for none, at most 64.
    public let idLength: Int
    /// From 1 to 1,000,000.
    public let count: Int64
}
