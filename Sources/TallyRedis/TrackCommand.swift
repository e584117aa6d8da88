import NIOCore
import TallyCore

/// One batch as a call of `Scripts/track.lua`, and its answer.
enum TrackCommand {
    /// Fields at which the live hash is sealed, so that a batch fits into a flusher's memory: 100,000 counters of at
    /// most 259 bytes are some 25 MB, of usual length some 6 MB.
    static let maximumLiveFields = 100_000

    static func encode(
        _ batch: CountBatch, digest: String, session: RedisSession, lane: UInt64, number: Int64, epoch: Epoch,
        allocator: ByteBufferAllocator
    ) -> ByteBuffer {
        let idCount = batch.hasIDs ? batch.entries.reduce(0) { $1.idLength > 0 ? $0 + 1 : $0 } : 0
        var command = allocator.buffer(capacity: 384 + batch.bytes.count + batch.entries.count * 24 + idCount * 20)
        command.writeRESPArray(count: 14 + 2 * batch.entries.count + (idCount > 0 ? 2 + 2 * idCount : 0))
        command.writeRESPBulk("EVALSHA")
        command.writeRESPBulk(digest)
        command.writeRESPBulk("1")
        command.writeRESPBulk(session.keys.meta)
        command.writeRESPBulk(session.keys.base)
        command.writeRESPBulk(epoch.description)
        command.writeRESPBulk(String(lane, radix: 16))
        command.writeRESPBulk(number)
        command.writeRESPBulk(Int64(session.bounds.clients))
        command.writeRESPBulk(Int64(session.bounds.testsPerClient))
        command.writeRESPBulk(Int64(session.bounds.variationsPerTest))
        command.writeRESPBulk(Int64(session.bounds.eventsPerTest))
        command.writeRESPBulk(Int64(self.maximumLiveFields))
        command.writeRESPBulk(self.layout(of: batch))
        for index in batch.entries.indices {
            command.writeRESPBulk(batch.field(index))
            command.writeRESPBulk(batch.entries[index].count)
        }
        if idCount > 0 { self.writeIDs(of: batch, bounds: session.eventIDs, to: &command) }
        return command
    }

    private static func writeIDs(of batch: CountBatch, bounds: EventIDBounds, to command: inout ByteBuffer) {
        command.writeRESPBulk(Int64(bounds.window / .milliseconds(1)))
        command.writeRESPBulk(Int64(bounds.maximum))
        for index in batch.entries.indices where batch.entries[index].idLength > 0 {
            command.writeRESPBulk(Int64(index))
            command.writeRESPBulk(batch.id(index))
        }
    }

    /// How many entries each unit has; empty for a plain batch, with which the script takes its short way.
    private static func layout(of batch: CountBatch) -> String {
        if batch.isPlain { return "" }
        var sizes = [Int](repeating: 0, count: batch.unitCount)
        for entry in batch.entries { sizes[Int(entry.unit)] += 1 }
        return sizes.map(String.init).joined(separator: ",")
    }
}

extension Verdicts {
    /// Reads `unit letter entry,unit letter entry,…`, the letter of a duplicate being d; empty where everything is
    /// counted. Nil for anything else.
    init?(redis bytes: [UInt8]) {
        guard !bytes.isEmpty else {
            self = .allCounted
            return
        }
        var exceptions: [Exception] = []
        var duplicates: [Int] = []
        for part in bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard let split = part.firstIndex(where: { $0 >= UInt8(ascii: "a") }),
                let unit = Int(String(decoding: part[..<split], as: UTF8.self)),
                let entry = Int(String(decoding: part[(split + 1)...], as: UTF8.self))
            else { return nil }
            if part[split] == UInt8(ascii: "d") {
                duplicates.append(entry)
            } else if let refusal = Refusal(rawValue: part[split]) {
                exceptions.append(Exception(unit: unit, refusal: refusal, entry: entry))
            } else {
                return nil
            }
        }
        self.init(exceptions: exceptions, duplicates: duplicates)
    }
}
