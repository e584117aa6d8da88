/// Keeps the counts for good, and answers for them. Two stand behind it: MongoDB and SQLite.
public protocol CounterStore: Sendable {
    /// For logs and records: `mongodb`, `embedded`.
    var kind: String { get }

    /// Adds a batch under its number, once: what has been applied of it already, by whomever, is not applied again.
    /// Returns when every document of it is durable, and then has recorded the batch as the last one of its epoch.
    /// To be called for the batches of an epoch in the order of their numbers.
    /// - Parameters:
    ///   - pace: how much of the machine it may take.
    ///   - oldest: the lowest number of its epoch that the buffer listed when the list was read in which the batch stands;
    ///     nil where there was no list. A lower one that is not finished here comes no more: this store was put back to an
    ///     older copy.
    /// - Throws: `StoreError`. The batch may then have been applied in part; apply it again.
    func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws

    /// Records that no batch of this epoch will ever come again, as far as the buffer knows; one that comes all the same,
    /// since the buffer was put back to an older copy and then forward again, is applied like any other.
    /// - Throws: `StoreError`.
    func close(_ epoch: Epoch) async throws

    /// Records that a flush ended: the store holds everything that was counted before it began.
    /// - Parameter secondsSince1970: when the flush sealed.
    /// - Throws: `StoreError`.
    func recordFlush(at secondsSince1970: Int64) async throws

    /// A client's numbers; nil for a client that nothing was ever flushed for. With `test`, that test alone (an unknown
    /// one gives an empty list).
    /// - Throws: `StoreError`.
    func metrics(client: Name, test: Name?) async throws -> ClientMetrics?

    /// All clients, in the order of their names' bytes.
    /// - Throws: `StoreError`.
    func clients() async throws -> [ClientSummary]

    /// What a client's counts are made of, hour by hour: some hours of it, in the order of tests and hours. All of one
    /// hour are of one moment.
    /// - Parameter last: the last one that was given before; nil for the first.
    /// - Returns: none at the end.
    /// - Throws: `StoreError`.
    func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts]

    /// Whether the store answers.
    /// - Throws: `StoreError`, which says why not.
    func ping() async throws

    /// How far every epoch has been applied, in no particular order, for the audit.
    /// - Throws: `StoreError`.
    func ledger() async throws -> [StoreLedgerEntry]

    /// The documents that the store refuses, with what waits for them; none where the store refuses no single document.
    /// - Throws: `StoreError`.
    func deadLetters() async throws -> [DeadLetterQueue]

    /// Applies what waits for documents that were refused, for each of them in order and under its own numbers, up to
    /// the first that is refused again. Safe to repeat, and to run beside a flush.
    /// - Throws: `StoreError`. What was moved by then stays moved.
    func replayDeadLetters() async throws -> DeadLetterReport
}

extension CounterStore {
    /// Applies a batch that comes from no list, as fast as it goes.
    public func apply(_ batch: SealedBatch) async throws { try await self.apply(batch, pace: .full, oldest: nil) }

    public func deadLetters() async throws -> [DeadLetterQueue] { [] }

    public func replayDeadLetters() async throws -> DeadLetterReport { DeadLetterReport() }
}

/// Why a store could not do what it was asked.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// What names it is wrong, and must be changed.
        case configuration
        /// It cannot be reached, or has no primary.
        case unavailable
        /// It answered that it will not: authentication, permissions, a document it does not take.
        case refused
        /// What lies in the store is not what tally writes.
        case malformed
    }

    public let code: Code
    /// What was attempted and what came of it, in words for the operator.
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// What the store holds of one client.
public struct ClientMetrics: Sendable, Equatable {
    public let client: Name
    /// When the last flush ended, in seconds since 1970.
    public let flushedAt: Int64
    /// Sorted by the bytes of their IDs.
    public let tests: [TestMetrics]

    public init(client: Name, flushedAt: Int64, tests: [TestMetrics]) {
        self.client = client
        self.flushedAt = flushedAt
        self.tests = tests
    }
}

/// What the store holds of one test.
public struct TestMetrics: Sendable, Equatable {
    public struct Variation: Sendable, Equatable {
        public let name: Name
        public let count: Int64

        public init(name: Name, count: Int64) {
            self.name = name
            self.count = count
        }
    }

    public struct Event: Sendable, Equatable {
        public let name: Name
        /// Sorted by the bytes of their names.
        public let variations: [Variation]

        public init(name: Name, variations: [Variation]) {
            self.name = name
            self.variations = variations
        }
    }

    public let test: Name
    /// Counts of the default event, `view`, sorted by the bytes of their names.
    public let variations: [Variation]
    /// Sum of `variations`.
    public let total: Int64
    /// All other events, sorted by the bytes of their names.
    public let events: [Event]
    /// The beginning of the hour in which the first count was accepted, in seconds since 1970.
    public let firstTrackedAt: Int64
    /// When a flush last changed the test, in seconds since 1970.
    public let updatedAt: Int64

    public init(
        test: Name, variations: [Variation], total: Int64, events: [Event], firstTrackedAt: Int64, updatedAt: Int64
    ) {
        self.test = test
        self.variations = variations
        self.total = total
        self.events = events
        self.firstTrackedAt = firstTrackedAt
        self.updatedAt = updatedAt
    }
}

/// What was counted of one test in one hour.
public struct HourCounts: Sendable, Equatable {
    public let test: Name
    public let hour: Hour
    /// Sorted by event and variation; a pair occurs once.
    public let counts: [DocumentCounts.Count]

    public init(test: Name, hour: Hour, counts: [DocumentCounts.Count]) {
        self.test = test
        self.hour = hour
        self.counts = counts
    }
}

/// One line of the list of clients.
public struct ClientSummary: Sendable, Equatable {
    public let client: Name
    public let tests: Int
    /// Sum of the default event over all tests.
    public let total: Int64
    /// When a flush last changed one of its tests, in seconds since 1970.
    public let updatedAt: Int64

    public init(client: Name, tests: Int, total: Int64, updatedAt: Int64) {
        self.client = client
        self.tests = tests
        self.total = total
        self.updatedAt = updatedAt
    }
}
