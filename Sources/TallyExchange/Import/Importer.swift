public import TallyCore

/// Adds records to a store, once: under an epoch that follows from them, and under numbers that do.
///
/// An import that was interrupted is repeated; the store takes up where it was left. The ledger of epochs says of each
/// where it came from, and the hour that was chosen for records without one, so that a repetition chooses the same.
public struct Importer: Sendable {
    /// What the store knows of an import.
    public struct Standing: Sendable, Equatable {
        /// The batches that are finished, and their counts.
        public let batches: Int64
        public let total: Int64
        public let isDone: Bool
        /// Of records that have none.
        public let hour: Hour
        /// Other imports of the same kind.
        public let others: [StoreLedgerEntry]
    }

    private let store: any CounterStore
    private let now: @Sendable () -> Int64

    public init(store: any CounterStore, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.now = now
    }

    /// - Parameters:
    ///   - kind: where the records come from; it stands in the ledger in the place of a buffer.
    ///   - entries: the store's ledger.
    public func standing(of epoch: Epoch, kind: String, in entries: [StoreLedgerEntry]) -> Standing {
        let own = entries.first { $0.epoch == epoch }
        return Standing(
            batches: own?.lastNumber ?? 0, total: own?.total ?? 0, isDone: own?.isClosed ?? false,
            hour: own.flatMap { Self.hour(in: $0.buffer) } ?? Hour(containing: self.now()),
            others: entries.filter { $0.epoch != epoch && $0.buffer.hasPrefix("\(kind)\(Self.at)") })
    }

    /// Adds what the survey has found, but for what is finished already.
    /// - Parameter progress: called after each batch with the counts that are in by then.
    /// - Throws: `StoreError`, or `RecordFileError` where the file has changed since the survey. Repeat it then.
    public func run(
        _ path: String, client: Name?, _ survey: RecordSurvey, _ standing: Standing, kind: String,
        progress: (Int64) -> Void = { _ in }
    ) async throws {
        var reader = try RecordReader(path, client: client)
        var run = Run(standing, survey.epoch, kind: kind)
        for digest in survey.digests {
            let records = try self.stretch(&reader, survey.stretch, digest, path)
            try await self.add(records, to: &run, progress)
        }
        try await self.store.close(survey.epoch)
    }

    /// Adds records that lie in memory.
    /// - Throws: `StoreError`. Repeat it then.
    public func run(
        _ records: [CountRecord], epoch: Epoch, _ standing: Standing, kind: String, progress: (Int64) -> Void = { _ in }
    ) async throws {
        var run = Run(standing, epoch, kind: kind)
        try await self.add(records, to: &run, progress)
        try await self.store.close(epoch)
    }

    /// The epoch of records that lie in memory.
    public static func epoch(of records: [CountRecord], label: String) -> Epoch {
        var digest = RecordDigest()
        for record in records { digest.add(record) }
        return .ofImport(label: label, [digest.finish()])
    }

    // MARK: Batches

    private struct Run {
        let standing: Standing
        let epoch: Epoch
        let buffer: String
        /// Of the batch made last.
        var number: Int64 = 0
        var total: Int64 = 0

        init(_ standing: Standing, _ epoch: Epoch, kind: String) {
            self.standing = standing
            self.epoch = epoch
            self.buffer = "\(kind)\(Importer.at)\(Timestamp.iso8601(standing.hour.secondsSince1970))"
        }
    }

    private func add(_ records: [CountRecord], to run: inout Run, _ progress: (Int64) -> Void) async throws {
        for (hour, documents) in RecordStretch.batches(of: records, standard: run.standing.hour) {
            run.number += 1
            let batch = SealedBatch(
                id: BatchID(epoch: run.epoch, number: run.number), hour: hour, sealedAt: self.now(),
                buffer: run.buffer, documents: documents)
            if run.number > run.standing.batches {
                try await self.store.apply(batch)
                FailPoint.reach(.midImport)
            }
            run.total += batch.total
            progress(run.total)
        }
    }

    /// Reads on for as long as the survey did before it took the digest.
    private func stretch(
        _ reader: inout RecordReader, _ maximum: Int, _ expected: [UInt8], _ path: String
    ) throws(RecordFileError) -> [CountRecord] {
        var records: [CountRecord] = []
        var digest = RecordDigest()
        while records.count < maximum, case .record(let record) = try reader.next() {
            records.append(record)
            digest.add(record)
        }
        guard digest.finish() == expected else {
            throw .malformed(
                "\(path) was changed while it was imported. What is in by now stays; put the file back as it was and "
                    + "repeat the import")
        }
        return records
    }

    // MARK: The ledger

    private static let at = " at "

    private static func hour(in buffer: String) -> Hour? {
        buffer.split(separator: " ").last.flatMap { Timestamp.parse(iso8601: String($0)) }.map { Hour(containing: $0) }
    }
}
