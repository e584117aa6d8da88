import GRDB
import TallyCore

/// Keeps the spool from filling the disk: its counts are on their way elsewhere, and wait for as long as that is away.
///
/// Measured by the counters that wait, since the same file may hold a store, too, and pages of it are used again.
struct SpoolRoom: Sendable {
    /// What a counter takes at most, in bytes: four names of 64, its number and record header, and the part of a page of a
    /// B-tree that stays free, a third of it.
    static let bytesPerCounter: Int64 = 400

    let maximumBytes: Int64

    /// What the counters that wait take.
    static func bytesInUse(_ state: BufferState, _ db: Database) throws -> Int64 {
        let sealed = try SQLStatement(db, "SELECT coalesce(sum(fields), 0) FROM batches").first { $0.integer(0) } ?? 0
        return (sealed + state.liveFields) * Self.bytesPerCounter
    }

    /// To be called within the transaction that counts.
    /// - Throws: `BufferError`, where the bound is reached; nothing is counted then.
    func check(_ state: BufferState, _ db: Database) throws {
        guard try Self.bytesInUse(state, db) < self.maximumBytes else {
            throw BufferError(
                .refused,
                "the spool is as full as SPOOL_MAX_MB, \(self.maximumBytes / 1_000_000), lets it be; bring Redis back, or "
                    + "see why the flush does not empty it")
        }
    }
}
