/// What one item, or one query, gives of a parameter.
struct GivenValue {
    struct Marks: OptionSet {
        let rawValue: UInt8

        static let given = Marks(rawValue: 1)
        /// Given again; the first value is kept, and never used.
        static let repeated = Marks(rawValue: 2)
        static let brokenEncoding = Marks(rawValue: 4)
        /// Of another JSON type than the parameter asks for, or a count out of range.
        static let wrongType = Marks(rawValue: 8)
        /// A JSON escape that stands for half a surrogate pair.
        static let notUnicode = Marks(rawValue: 16)

        /// Any of the marks that refuse the request.
        static let faulty: Marks = [.repeated, .brokenEncoding, .wrongType, .notUnicode]
    }

    var marks: Marks = []
    /// Where the decoded value begins in the parser's `values`.
    var offset = 0
    /// Its length in bytes.
    var length = 0

    /// Whether this is the first time that the parameter is given; marks it as repeated otherwise.
    @inline(__always)
    mutating func give() -> Bool {
        guard self.marks.contains(.given) else {
            self.marks.insert(.given)
            return true
        }
        self.marks.insert(.repeated)
        return false
    }
}

/// What one item, or one query, gives of all parameters.
struct GivenParameters {
    private var clientName = GivenValue()
    private var testID = GivenValue()
    private var variation = GivenValue()
    private var event = GivenValue()
    private var eventID = GivenValue()
    private var count = GivenValue()
    /// The number behind `count`, where that has no fault.
    var number: Int64 = 1

    subscript(parameter: TrackParameter) -> GivenValue {
        @inline(__always) get {
            switch parameter {
            case .clientName: self.clientName
            case .testID: self.testID
            case .variation: self.variation
            case .event: self.event
            case .eventID: self.eventID
            case .count: self.count
            }
        }
        @inline(__always) _modify {
            switch parameter {
            case .clientName: yield &self.clientName
            case .testID: yield &self.testID
            case .variation: yield &self.variation
            case .event: yield &self.event
            case .eventID: yield &self.eventID
            case .count: yield &self.count
            }
        }
    }
}
