import TallyCore

/// Records of a file that are taken together: as many as memory bears, so that those of one hour become one batch.
enum RecordStretch {
    /// Bounds the memory: it holds their names, and the batches that are made of them.
    static let maximumRecords = 200_000

    /// The batches of a stretch, in the order of their hours, each of one hour and of a bounded number of counters. The
    /// same records give the same batches.
    /// - Parameter standard: the hour of records that have none.
    static func batches(
        of records: [CountRecord], standard: Hour, maximumCounters: Int = 100_000
    ) -> [(hour: Hour, documents: [DocumentCounts])] {
        var hours: [Hour: [[UInt8]: Int64]] = [:]
        for record in records {
            hours[record.hour ?? standard, default: [:]][record.packed, default: 0] += record.count
        }
        return hours.sorted { $0.key < $1.key }.flatMap { hour, counts in
            let sorted = counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            return stride(from: 0, to: sorted.count, by: maximumCounters).map { start in
                let piece = sorted[start..<min(start + maximumCounters, sorted.count)]
                guard let documents = DocumentCounts.grouped(piece) else {
                    preconditionFailure("what was packed here is unpacked")
                }
                return (hour, documents)
            }
        }
    }
}
