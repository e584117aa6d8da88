/// A document that the store refuses, and what waits for it: the batch that was refused first, and every later one,
/// since a later number first would turn the earlier one into a no-op.
public struct DeadLetterQueue: Sendable, Equatable {
    public let client: Name
    public let test: Name
    /// Where the document lies: `<client>`, or `<client>.hourly`.
    public let collection: String
    /// The UTC day that the document is about, in days since 1970; nil for the one of all time.
    public let day: Int64?
    /// How many batches wait.
    public let batches: Int
    /// The sum of their counts for this document.
    public let total: Int64
    /// When the first of them was refused, in seconds since 1970.
    public let since: Int64
    /// Why, in the store's words.
    public let reason: String

    public init(
        client: Name, test: Name, collection: String, day: Int64?, batches: Int, total: Int64, since: Int64,
        reason: String
    ) {
        self.client = client
        self.test = test
        self.collection = collection
        self.day = day
        self.batches = batches
        self.total = total
        self.since = since
        self.reason = reason
    }
}

/// What came of replaying dead letters.
public struct DeadLetterReport: Sendable, Equatable {
    /// Documents that took all that waited for them.
    public var documents = 0
    /// Records that were moved, one for each batch and document.
    public var batches = 0
    /// The counts that were moved. Those for the hours are the same counts, and not added.
    public var total: Int64 = 0
    /// What waits still, and why.
    public var refused: [DeadLetterQueue] = []

    public init() {}
}
