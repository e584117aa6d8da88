/// Counts as another program kept them, before their names are checked.
public struct ForeignCounts: Sendable, Equatable {
    public struct Count: Sendable, Equatable {
        /// Where it was found, for errors: `document "cta" of the collection acme`.
        public let place: String
        public let client: String
        public let test: String
        public let variation: String
        public let count: Int64

        public init(place: String, client: String, test: String, variation: String, count: Int64) {
            self.place = place
            self.client = client
            self.test = test
            self.variation = variation
            self.count = count
        }
    }

    public var counts: [Count] = []
    /// What could not be read as counts, a line each.
    public var faults: [String] = []

    public init() {}

    public mutating func add(_ other: ForeignCounts) {
        self.counts += other.counts
        self.faults += other.faults
    }
}
