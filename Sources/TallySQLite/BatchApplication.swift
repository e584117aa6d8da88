import GRDB
import TallyCore

/// Adds a sealed batch to the store's tables, some documents per transaction, each document once.
///
/// How far a batch came is kept as the names of its document applied last, in the same transaction as the counts. Who
/// goes on, be it after a crash or beside another flusher, takes the documents that come after it. That is right because
/// a sealed batch never changes and its documents are sorted.
enum BatchApplication {
    /// A chunk ends at whichever bound is reached first; it always holds one document, whatever its size.
    struct ChunkSize: Sendable {
        let documents: Int
        let counters: Int

        init(documents: Int, counters: Int) { (self.documents, self.counters) = (documents, counters) }

        init(_ gait: FlushPace.Gait) {
            switch gait {
            case .full: self.init(documents: 100, counters: 250)
            case .considerate: self.init(documents: 25, counters: 64)
            }
        }
    }

    /// What came of one call.
    struct Outcome: Sendable {
        /// The whole batch is applied, be it by this call or before.
        let isFinished: Bool
        /// Set by the call that begins a batch to which others are missing.
        var gap: Gap?
    }

    /// Numbers between a batch and the one that was finished before it.
    struct Gap: Sendable {
        let lastNumber: Int64
        /// The one of them that was applied in part; 0 for none.
        let partialNumber: Int64
    }

    /// A batch that is applied in part keeps those behind it waiting, since whoever passes it over loses the rest of it:
    /// it may be gone from its buffer for a moment only. It is given up where the buffer's list began behind it; then this
    /// store is older than the buffer.
    ///
    /// A batch that comes before the one that is applied in part (a store and a buffer that were put back one after the
    /// other) is applied at once whatever its size, since a second mark has no place.
    /// - Parameter oldest: see `CounterStore.apply`.
    static func applyChunk(
        of batch: SealedBatch, oldest: Int64?, size: ChunkSize, _ db: Database
    ) throws -> Outcome {
        let progress = try Progress.load(batch, db)
        let (number, partial) = (batch.id.number, progress.partialNumber)
        guard number > progress.lastNumber else { return Outcome(isFinished: true) }
        guard partial == 0 || partial >= number || partial < oldest ?? 0 else {
            throw StoreError(
                .refused,
                "batch \(batch.id) came while number \(partial) of its epoch is applied in part only; "
                    + "flush that one first")
        }

        let gap =
            partial == number || number == progress.lastNumber + 1
            ? nil : Gap(lastNumber: progress.lastNumber, partialNumber: partial < number ? partial : 0)
        let documents = self.documents(of: batch, after: partial == number ? progress.applied : nil)
        let counting = try DocumentCounting(batch, db)
        var end = documents.startIndex
        var counters = 0
        while end < documents.endIndex,
            partial > number || end - documents.startIndex < size.documents && counters < size.counters
        {
            try counting.add(documents[end])
            counters += documents[end].counts.count
            end += 1
        }
        if end == documents.endIndex {
            try Progress.finish(batch, db)
            return Outcome(isFinished: true, gap: gap)
        }
        try Progress.record(batch, applied: documents[end - 1], db)
        return Outcome(isFinished: false, gap: gap)
    }

    /// What `applyChunk` stands on: looked at once for each batch, since it takes longer than a chunk.
    /// - Throws: `StoreError`.
    static func checkOrder(of batch: SealedBatch) throws {
        for (document, next) in zip(batch.documents, batch.documents.dropFirst())
        where (document.client, document.test) >= (next.client, next.test) {
            throw StoreError(
                .malformed,
                "the documents of batch \(batch.id) are not sorted, so it cannot be applied in parts; nothing of it was"
            )
        }
    }

    /// The documents that come after the one applied last, found by halving.
    private static func documents(
        of batch: SealedBatch, after applied: (client: Name, test: Name)?
    ) -> ArraySlice<DocumentCounts> {
        guard let applied else { return batch.documents[...] }
        var (start, end) = (batch.documents.startIndex, batch.documents.endIndex)
        while start < end {
            let middle = (start + end) / 2
            let document = batch.documents[middle]
            if (document.client, document.test) <= applied { start = middle + 1 } else { end = middle }
        }
        return batch.documents[start...]
    }
}

/// How far an epoch has been applied, in `store_epochs`.
private struct Progress {
    let lastNumber: Int64
    /// 0 where no batch is applied in part.
    let partialNumber: Int64
    /// The document applied last of the batch that is applied in part.
    let applied: (client: Name, test: Name)?

    static func load(_ batch: SealedBatch, _ db: Database) throws -> Progress {
        let insert = try SQLStatement(
            db,
            """
            INSERT INTO store_epochs (epoch, buffer, last_number, total, partial_number) VALUES (?, ?, 0, 0, 0)
            ON CONFLICT DO NOTHING
            """)
        insert.bind(1, batch.id.epoch.description)
        insert.bind(2, batch.buffer)
        try insert.run()
        let select = try SQLStatement(
            db, "SELECT last_number, partial_number, partial_client, partial_test FROM store_epochs WHERE epoch = ?")
        select.bind(1, batch.id.epoch.description)
        let progress = try select.first { row in
            Progress(
                lastNumber: row.integer(0), partialNumber: row.integer(1),
                applied: row.textOrNil(2).flatMap { client in
                    row.textOrNil(3).map { (Name(client), Name($0)) }
                })
        }
        return progress ?? Progress(lastNumber: 0, partialNumber: 0, applied: nil)
    }

    static func record(_ batch: SealedBatch, applied: DocumentCounts, _ db: Database) throws {
        let statement = try SQLStatement(
            db, "UPDATE store_epochs SET partial_number = ?, partial_client = ?, partial_test = ? WHERE epoch = ?")
        statement.bind(1, batch.id.number)
        statement.bind(2, applied.client)
        statement.bind(3, applied.test)
        statement.bind(4, batch.id.epoch.description)
        try statement.run()
    }

    /// Takes away the mark of the batch that is applied in part, unless that one comes later.
    static func finish(_ batch: SealedBatch, _ db: Database) throws {
        let statement = try SQLStatement(
            db,
            """
            UPDATE store_epochs SET last_number = ?1, total = total + ?2, buffer = ?3,
                partial_number = iif(partial_number > ?1, partial_number, 0),
                partial_client = iif(partial_number > ?1, partial_client, NULL),
                partial_test = iif(partial_number > ?1, partial_test, NULL)
            WHERE epoch = ?4
            """)
        statement.bind(1, batch.id.number)
        statement.bind(2, batch.total)
        statement.bind(3, batch.buffer)
        statement.bind(4, batch.id.epoch.description)
        try statement.run()
    }
}

/// The statements that add a document's counts.
private struct DocumentCounting {
    private let counts: SQLStatement
    private let hourly: SQLStatement
    private let tests: SQLStatement
    private let hour: Hour
    private let sealedAt: Int64

    init(_ batch: SealedBatch, _ db: Database) throws {
        self.hour = batch.hour
        self.sealedAt = batch.sealedAt
        self.counts = try SQLStatement(
            db,
            """
            INSERT INTO store_counts (client, test, event, variation, count) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET count = count + excluded.count
            """)
        self.hourly = try SQLStatement(
            db,
            """
            INSERT INTO store_hourly (client, test, event, variation, count, hour) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET count = count + excluded.count
            """)
        self.tests = try SQLStatement(
            db,
            """
            INSERT INTO store_tests (client, test, first_tracked_at, updated_at) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET first_tracked_at = min(first_tracked_at, excluded.first_tracked_at),
                updated_at = max(updated_at, excluded.updated_at)
            """)
    }

    func add(_ document: DocumentCounts) throws {
        self.tests.bind(1, document.client)
        self.tests.bind(2, document.test)
        self.tests.bind(3, self.hour.secondsSince1970)
        self.tests.bind(4, self.sealedAt)
        try self.tests.run()
        self.hourly.bind(6, self.hour.hoursSince1970)
        for statement in [self.counts, self.hourly] {
            statement.bind(1, document.client)
            statement.bind(2, document.test)
            for count in document.counts {
                statement.bind(3, count.event)
                statement.bind(4, count.variation)
                statement.bind(5, count.count)
                try statement.run()
            }
        }
    }
}
