import TallyCore

/// Reads a sealed batch out of Redis, in pieces, so that no command holds Redis up for long.
struct BatchReader {
    let client: RedisClient
    let key: String
    let id: BatchID
    let buffer: String

    private static let fieldsPerScan = "250"

    /// The batch, or nil where somebody else has acknowledged it, before or while it was read.
    func read() async throws -> SealedBatch? {
        var counts: [[UInt8]: Int64] = [:]
        var hour: Int64?
        var sealedAt: Int64?
        var total: Int64?
        var cursor = "0"
        repeat {
            let reply = try await self.client.command(["HSCAN", self.key, cursor, "COUNT", Self.fieldsPerScan])
            guard let parts = reply.array, parts.count == 2, let next = parts[0].text, let cells = parts[1].array else {
                throw self.malformed("HSCAN gave something else")
            }
            cursor = next
            for pair in stride(from: 0, to: cells.count - 1, by: 2) {
                guard let field = cells[pair].bytes, let value = cells[pair + 1].text.flatMap({ Int64($0) }) else {
                    throw self.malformed("a value is no number")
                }
                // A scan may show a field twice, so it is assigned, not added.
                if field.contains(CounterField.separator) {
                    counts[field] = value
                } else {
                    switch String(decoding: field, as: UTF8.self) {
                    case "hour": hour = value
                    case "sealed_at": sealedAt = value
                    case "total": total = value
                    default: throw self.malformed("it has an unknown field")
                    }
                }
            }
        } while cursor != "0"

        guard let hour, let sealedAt, let total, total == counts.values.reduce(0, +) else {
            // Gone, or going while we read: then it is finished. Still there: then it is damaged.
            let exists = try await self.client.command(["EXISTS", self.key])
            if exists == .integer(0) { return nil }
            throw self.malformed("its counts do not add up to its total")
        }
        guard let documents = DocumentCounts.grouped(counts) else { throw self.malformed("a field is no counter") }
        return SealedBatch(
            id: self.id, hour: Hour(hoursSince1970: hour), sealedAt: sealedAt, buffer: self.buffer, documents: documents
        )
    }

    private func malformed(_ what: String) -> BufferError {
        BufferError(
            .malformed,
            "the batch \(self.key) in Redis cannot be read: \(what). It is kept; look at it with redis-cli HGETALL '\(self.key)'"
        )
    }
}
