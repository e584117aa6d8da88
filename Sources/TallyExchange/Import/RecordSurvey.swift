public import TallyCore

/// What a file holds, found by reading all of it: nothing is imported of a file with a fault.
public struct RecordSurvey: Sendable {
    public let records: Int
    /// Sum of their counts.
    public let total: Int64
    public let clients: [Name]
    public let tests: Int
    /// The earliest and the latest hour; nil where no record has one.
    public let hours: ClosedRange<Hour>?
    /// What makes the store take these records once.
    public let epoch: Epoch
    /// Of the stretches, in their order.
    let digests: [[UInt8]]
    /// How many records a stretch has; the last one may have fewer.
    let stretch: Int

    /// How many faults are listed.
    static let maximumFaults = 20

    /// Reads the file.
    /// - Parameters:
    ///   - client: whose counts they are, whatever the file says.
    ///   - label: see `Epoch.ofImport`.
    /// - Throws: `RecordFileError`; where lines are at fault it names them, the first of them each with all that is wrong.
    public static func read(_ path: String, client: Name?, label: String) throws(RecordFileError) -> RecordSurvey {
        try self.read(path, client: client, label: label, stretch: RecordStretch.maximumRecords)
    }

    static func read(
        _ path: String, client: Name?, label: String, stretch: Int
    ) throws(RecordFileError) -> RecordSurvey {
        var reader = try RecordReader(path, client: client)
        var faults: [String] = []
        var records = 0
        var total: Int64 = 0
        var tests: Set<[Name]> = []
        var hours: ClosedRange<Hour>?
        var digests: [[UInt8]] = []
        var digest = RecordDigest()
        while faults.count <= self.maximumFaults, let line = try reader.next() {
            switch line {
            case .faults(let found): faults.append("line \(reader.number): \(found.joined(separator: "; "))")
            case .record(let record):
                records += 1
                let (sum, overflow) = total.addingReportingOverflow(record.count)
                guard !overflow else {
                    throw .malformed("line \(reader.number): with it the sum of all counts would exceed \(Int64.max)")
                }
                total = sum
                tests.insert([record.client, record.test])
                if let hour = record.hour {
                    hours = hours.map { min($0.lowerBound, hour)...max($0.upperBound, hour) } ?? hour...hour
                }
                digest.add(record)
                if records % stretch == 0 {
                    digests.append(digest.finish())
                    digest = RecordDigest()
                }
            }
        }
        guard faults.isEmpty else {
            let more = faults.count > self.maximumFaults ? ["further lines are at fault, too"] : []
            throw .malformed(
                "nothing of \(path) was imported:\n"
                    + (faults.prefix(self.maximumFaults) + more).map { "  \($0)" }.joined(separator: "\n"))
        }
        if records % stretch > 0 { digests.append(digest.finish()) }
        return RecordSurvey(
            records: records, total: total, clients: Set(tests.map { $0[0] }).sorted(), tests: tests.count,
            hours: hours, epoch: .ofImport(label: label, digests), digests: digests, stretch: stretch)
    }
}
