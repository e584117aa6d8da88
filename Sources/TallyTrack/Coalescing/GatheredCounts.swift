import TallyCore

/// The counts of a batch that is being gathered.
///
/// All single counts of one counter become one unit, so the batch grows with the counters that are hit, not with the
/// requests. What carries an event ID is merged with nothing, since it may turn out to be a duplicate.
struct GatheredCounts {
    /// A batch closes at this many entries. A request with many items is not split: it may go past.
    static let maximumEntries = 500
    /// Most items of one request (CONTRACT: batches of at most 1,000).
    static let maximumItems = TrackParser.maximumItems

    /// By how much a request made a batch grow.
    struct Growth {
        let entries: Int
        /// Of names and event IDs.
        let bytes: Int
    }

    private(set) var counts = CountBatch()
    private var singles = FieldIndex(capacity: maximumEntries + maximumItems)
    private var within = FieldIndex(capacity: maximumItems)

    /// Adds what a request counts.
    /// - Returns: the unit that decides it, and by how much the batch has grown; nil where that would be too much. An
    ///   empty batch takes any request.
    @inline(__always)
    mutating func add(_ shape: TrackShape, of parser: borrowing TrackParser) -> (unit: Int32, growth: Growth)? {
        let entries = self.counts.entries.count
        guard entries == 0 || entries + parser.items.count <= Self.maximumEntries else { return nil }
        let bytes = self.counts.bytes.count
        let unit =
            switch shape {
            case .single where !parser.hasEventIDs: self.addSingle(of: parser)
            case .single, .batch: self.addAll(of: parser)
            }
        return (unit, Growth(entries: self.counts.entries.count - entries, bytes: self.counts.bytes.count - bytes))
    }

    /// Adds the one count of a request.
    @inline(__always)
    private mutating func addSingle(of parser: borrowing TrackParser) -> Int32 {
        let count = parser.items[0].count
        return parser.withField(0) { field in
            switch self.singles.entry(for: field, in: self.counts.bytes, entries: self.counts.entries) {
            case .found(let entry):
                self.counts.add(count, to: entry)
                return self.counts.entries[entry].unit
            case .absent(let position, let hash):
                let entry = self.counts.appendSingle(field: field, count: count)
                self.singles.insert(entry, position: position, hash: hash)
                return self.counts.entries[entry].unit
            }
        }
    }

    /// Adds all items of a request as one unit; a single count only where it carries an event ID.
    private mutating func addAll(of parser: borrowing TrackParser) -> Int32 {
        let unit = Int32(truncatingIfNeeded: self.counts.beginUnit())
        self.within.removeAll()
        for item in parser.items.indices {
            let count = parser.items[item].count
            let idLength = parser.items[item].idLength
            guard idLength == 0 else {
                parser.withFieldAndID(item) { self.counts.append(field: $0, idLength: idLength, count: count) }
                continue
            }
            parser.withField(item) { field in
                switch self.within.entry(for: field, in: self.counts.bytes, entries: self.counts.entries) {
                case .found(let entry): self.counts.add(count, to: entry)
                case .absent(let position, let hash):
                    self.within.insert(self.counts.append(field: field, count: count), position: position, hash: hash)
                }
            }
        }
        return unit
    }

    /// Empties the batch and keeps its memory.
    mutating func removeAll() {
        self.counts.removeAll()
        self.singles.removeAll()
    }
}
