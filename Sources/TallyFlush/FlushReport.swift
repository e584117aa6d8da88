public import TallyCore

/// What a flush moved.
public struct FlushReport: Sendable, Equatable {
    public internal(set) var batches = 0
    /// Counters: one for each (client, test, variation, event, hour).
    public internal(set) var counters = 0
    /// Documents changed, one for each (client, test) of each batch.
    public internal(set) var documents = 0
    /// The sum of the counts.
    public internal(set) var total: Int64 = 0
    /// Buffers that another flusher was at work on.
    public internal(set) var skippedBuffers: [String] = []

    mutating func add(_ batch: SealedBatch) {
        self.batches += 1
        self.counters += batch.counters
        self.documents += batch.documents.count
        self.total += batch.total
    }

    /// Adds what another flush moved, and the buffers that it left out.
    public mutating func add(_ other: FlushReport) {
        self.batches += other.batches
        self.counters += other.counters
        self.documents += other.documents
        self.total += other.total
        self.skippedBuffers += other.skippedBuffers
    }
}

/// How far a flush has come.
public struct FlushProgress: Sendable {
    public let buffer: String
    /// Entries of the pending list that are finished.
    public let done: Int
    public let of: Int
    /// What was moved so far.
    public let report: FlushReport
}

/// One or more buffers could not be flushed. What they hold stays pending.
public struct FlushError: Error, Sendable, CustomStringConvertible {
    public struct Failure: Sendable {
        public let buffer: String
        public let error: any Error
    }

    public let failures: [Failure]
    /// What was moved all the same.
    public let report: FlushReport

    public var description: String {
        self.failures.map { "\($0.buffer): \($0.error)" }.joined(separator: "; ")
            + ". What was not moved stays in the buffer, and the next flush tries again"
    }

    /// The first buffer error among the failures, where there is one.
    public var bufferError: BufferError? { self.failures.lazy.compactMap { $0.error as? BufferError }.first }

    /// The first store error among the failures, where there is one.
    public var storeError: StoreError? { self.failures.lazy.compactMap { $0.error as? StoreError }.first }
}
