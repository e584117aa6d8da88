public import TallyCore

/// Reads the books of store and buffers, and holds them against each other.
public struct Auditor: Sendable {
    private let buffers: [any CounterBuffer]
    private let store: any CounterStore
    /// The time, in seconds since 1970.
    public let now: @Sendable () -> Int64

    /// How often the books are read while a flush keeps moving batches between two looks, 5 s in all.
    private static let maximumReadings = 100
    private static let pause: Duration = .milliseconds(50)

    /// - Parameters:
    ///   - buffers: All that may hold counts for this store, as for `Flusher`.
    ///   - now: The time, in seconds since 1970.
    public init(buffers: [any CounterBuffer], store: any CounterStore, now: @escaping @Sendable () -> Int64) {
        self.buffers = buffers
        self.store = store
        self.now = now
    }

    /// Costs two or three short commands to each server. Books that do not balance, or that lack a number, may have
    /// been read while a flush moved a batch; they are read again until they balance, or until nothing has moved between
    /// two readings.
    /// - Throws: `BufferError` or `StoreError`, where one of them cannot be read.
    public func audit() async throws -> AuditReport {
        var before: AuditedBooks?
        for reading in 1... {
            let books = try await self.read()
            let report = books.report(at: self.now())
            if report.isBalanced && books.isComplete { return report }
            if books.isAsBefore(before) || reading == Self.maximumReadings { return report }
            before = books
            try await Task.sleep(for: Self.pause)
        }
        preconditionFailure("the loop has no other end")
    }

    /// The store first: what it has finished is then known when the buffers are asked what waits.
    private func read() async throws -> AuditedBooks {
        let entries = try await self.store.ledger()
        var buffers: [AuditedBooks.Buffer] = []
        for buffer in self.buffers { buffers.append(.init(kind: buffer.kind, ledger: try await buffer.ledger())) }
        return AuditedBooks(store: entries, buffers: buffers)
    }
}
