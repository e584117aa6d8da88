import TallyCore

/// Knows what was asked and answered, and holds what was counted against it.
///
/// Every count is in the end counted once where its request was acknowledged, at most once where nobody knows, and not
/// at all where it was refused. So A <= counted <= A + U for every counter. Where a buffer was put back to an earlier
/// state, what it lost and the store had not yet is no longer promised: A is then what was flushed before, what the
/// earlier state holds, and what was acknowledged after; and, where it goes forward again, what the later state holds.
final class Oracle {
    var requests: [Request] = []
    /// A buffer was replaced by an older copy of itself, or by a replica.
    var isRestored = false
    /// For every counter the digits that a buffer has lost by its rights.
    private var forgotten = [UInt64](repeating: 0, count: Catalog.counters)

    /// What lay in a buffer, does so no longer, and is not in the store, may be lost.
    func forget(_ before: [UInt64], keeping after: [UInt64], _ mongo: ModelMongo) {
        let totals = mongo.committed.totals
        for counter in 0..<Catalog.counters {
            self.forgotten[counter] |= before[counter] & ~after[counter] & ~Catalog.presence(totals[counter])
        }
    }

    /// A copy brings back what had been lost, to be counted: but for what is in a batch of a number of which anything was
    /// flushed from another copy, since that batch is taken for the same.
    func remember(_ data: BufferData, _ mongo: ModelMongo) {
        func add(_ counts: BufferData.Counts, _ id: BatchID) {
            let last = max(mongo.primary.lastNumber(of: id.epoch), mongo.committed.lastNumber(of: id.epoch))
            guard id.number > last else { return }
            for counter in 0..<Catalog.counters {
                self.forgotten[counter] &= ~Catalog.presence(counts.values[counter])
            }
        }
        for entry in data.pending {
            if case .batch(let id) = entry, let counts = data.batches[id] { add(counts, id) }
        }
        if let live = data.live { add(live, BatchID(epoch: Epoch(data.epoch), number: data.sequence + 1)) }
    }

    func check(_ world: World) -> [String] {
        let counted = world.mongo.committed.totals
        var faults: [String] = []
        for request in self.requests {
            let times = request.items.map { counted[$0.counter] >> (2 * Int64($0.digit)) & 3 }
            for (item, times) in zip(request.items, times) {
                let isForgotten = self.forgotten[item.counter] >> (2 * UInt64(item.digit)) & 1 == 1
                let allowed: ClosedRange<Int64> =
                    switch request.answer {
                    case .counted: isForgotten ? 0...1 : 1...1
                    case .refused: 0...0
                    case .unknown: 0...1
                    case .waiting: -1 ... -1
                    }
                if !allowed.contains(times) {
                    faults.append(
                        "\(request.text) \(request.answer): c\(item.counter).\(item.digit) counted \(times) times")
                }
            }
            if !self.isRestored, Set(times).count > 1 { faults.append("\(request.text): counted in part") }
        }
        if world.profile.writesHours, !self.isRestored, world.mongo.committed.hours != counted {
            faults.append("the hours do not add up to the totals")
        }
        for (name, data) in self.buffers(world) where !data.pending.isEmpty || data.live != nil {
            faults.append("\(name): not everything could be flushed: \(data.pending)")
        }
        return faults + self.audit(world)
    }

    /// accepted = persisted + pending, for every buffer, at any time at all: finishing a batch moves its counts from one
    /// side to the other in one step. Holds no longer where a buffer was put back to an earlier state, nor where a
    /// fragment of a script came back.
    func audit(_ world: World) -> [String] {
        guard !self.isRestored, !world.redis.isFragmentReplayed else { return [] }
        let mongo = world.mongo.committed
        return self.buffers(world).compactMap { name, data in
            let persisted = mongo.epochs.values.reduce(0) { $0 + ($1.buffer == name ? $1.total : 0) }
            let pending = data.batches.reduce(data.live?.total ?? 0) { sum, batch in
                batch.key.number > mongo.finishedNumber(of: batch.key.epoch) ? sum + batch.value.total : sum
            }
            return data.accepted == persisted + pending
                ? nil : "\(name): accepted \(data.accepted), persisted \(persisted), pending \(pending)"
        }
    }

    private func buffers(_ world: World) -> [(name: String, data: BufferData)] {
        var buffers = world.instances.enumerated().map { (name: "spool\($0.offset)", data: $0.element.spool.data) }
        if world.redis.isUp { buffers.append((name: "redis", data: world.redis.data)) }
        return buffers
    }
}
