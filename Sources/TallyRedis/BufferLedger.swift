import TallyCore

extension BufferLedger {
    /// Reads what `Scripts/ledger.lua` returns; nil for anything else.
    init?(redisReply reply: RESPValue) {
        guard let parts = reply.array, parts.count == 6,
            let epoch = parts[0].text.flatMap({ Epoch($0) }), let lastNumber = parts[1].text.flatMap({ Int64($0) }),
            let current = parts[2].text.flatMap({ Int64($0) }), let live = parts[3].text.flatMap({ Int64($0) }),
            let waiting = parts[4].array?.map(\.text), waiting.count % 2 == 0,
            let ended = parts[5].array?.map(\.text)
        else { return nil }

        var pending: [Batch] = []
        for index in stride(from: 0, to: waiting.count, by: 2) {
            guard case .batch(let id) = waiting[index].flatMap({ PendingEntry(redisEntry: $0) }) else { return nil }
            // A batch that is on the list and gone has nothing that could be flushed.
            pending.append(Batch(id: id, total: waiting[index + 1].flatMap { Int64($0) } ?? 0))
        }
        var accepted: [Epoch: Int64] = [:]
        for line in ended {
            guard let words = line?.split(separator: " "), words.count == 2, let past = Epoch(words[0]),
                let sum = Int64(words[1])
            else { return nil }
            accepted[past] = sum
        }
        accepted[epoch] = current
        self.init(epoch: epoch, lastNumber: lastNumber, accepted: accepted, pending: pending, live: live)
    }
}
