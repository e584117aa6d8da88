/// What waits in a buffer's pending list, in the order in which the store must see it.
public enum PendingEntry: Hashable, Sendable {
    /// A sealed batch.
    case batch(BatchID)
    /// Everything that an epoch will ever hold stands before this entry.
    case epochClosed(Epoch)
}

/// A batch that takes no more counts: those of one UTC hour, on their way to the store.
public struct SealedBatch: Sendable {
    public let id: BatchID
    /// The hour in which all of its counts were accepted, by the buffer's clock.
    public let hour: Hour
    /// When it was sealed, by the buffer's clock, in seconds since 1970.
    public let sealedAt: Int64
    /// Which buffer it comes from, for the store's records and the logs: `redis`, `embedded`, `spool`.
    public let buffer: String
    /// One element per (client, test), sorted by client and test; a pair occurs once.
    public let documents: [DocumentCounts]
    /// Up to which number its epoch was flushed into another store than the one in use, so that this one lacks no batch
    /// up to there; 0 for none.
    public let finishedElsewhere: Int64

    public init(
        id: BatchID, hour: Hour, sealedAt: Int64, buffer: String, documents: [DocumentCounts],
        finishedElsewhere: Int64 = 0
    ) {
        self.id = id
        self.hour = hour
        self.sealedAt = sealedAt
        self.buffer = buffer
        self.documents = documents
        self.finishedElsewhere = finishedElsewhere
    }

    /// The sum of all counts.
    public var total: Int64 { self.documents.reduce(0) { $0 + $1.counts.reduce(0) { $0 + $1.count } } }

    /// The number of counters.
    public var counters: Int { self.documents.reduce(0) { $0 + $1.counts.count } }
}

/// What a batch adds to the document of one test.
public struct DocumentCounts: Sendable, Equatable {
    public struct Count: Sendable, Equatable {
        public let variation: Name
        public let event: Name
        public let count: Int64

        public init(variation: Name, event: Name, count: Int64) {
            self.variation = variation
            self.event = event
            self.count = count
        }
    }

    public let client: Name
    public let test: Name
    /// Sorted by variation and event; a pair occurs once.
    public let counts: [Count]

    public init(client: Name, test: Name, counts: [Count]) {
        self.client = client
        self.test = test
        self.counts = counts
    }
}
