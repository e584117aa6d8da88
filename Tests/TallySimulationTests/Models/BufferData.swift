import TallyCore

/// What lies in a buffer: the keys of Redis, or the tables of the embedded file.
struct BufferData {
    struct Counts {
        var values = [Int64](repeating: 0, count: Catalog.counters)
        var hour: Int64
        var total: Int64 = 0

        var sum: Int64 { self.values.reduce(0, +) }
    }

    struct Lane {
        var number: Int64
        /// One bit for each unit of the batch that was refused.
        var refused: UInt64
    }

    struct LaneKey: Hashable {
        let epoch: UInt64
        let id: UInt64
    }

    /// 0 while nobody has said hello yet.
    var epoch: UInt64 = 0
    var sequence: Int64 = 0
    var runID = 0
    var replID = 0
    /// Everything that was ever counted here.
    var accepted: Int64 = 0
    var live: Counts?
    var batches: [BatchID: Counts] = [:]
    var pending: [PendingEntry] = []
    var lanes: [LaneKey: Lane] = [:]
    /// The tests whose names are known, one bit each.
    var names: UInt8 = 0

    /// One command that changes something. What one script does is a list of these, and a crash can tear it.
    enum Effect {
        /// HSET of new sums, not of differences.
        case setLive([(counter: Int, value: Int64)], hour: Int64, total: Int64)
        /// RENAMENX
        case renameLive(BatchID)
        case push(PendingEntry)
        case setSequence(Int64)
        case begin(epoch: UInt64, runID: Int, replID: Int)
        case setAccepted(Int64)
        case setLane(LaneKey, Lane)
        case setNames(UInt8)
        /// LREM of all that are the same
        case remove(PendingEntry)
        case unlink(BatchID)
    }

    /// As Redis would carry it out, also where it makes no sense: a torn script may be followed by anything.
    mutating func perform(_ effect: Effect) {
        switch effect {
        case .setLive(let values, let hour, let total):
            var counts = self.live ?? Counts(hour: hour)
            self.live = nil
            for (counter, value) in values { counts.values[counter] = value }
            counts.hour = hour
            counts.total = total
            self.live = counts
        case .renameLive(let id):
            guard let counts = self.live, self.batches[id] == nil else { return }
            self.batches[id] = counts
            self.live = nil
        case .push(let entry): self.pending.append(entry)
        case .setSequence(let number): self.sequence = number
        case .begin(let epoch, let runID, let replID):
            (self.epoch, self.runID, self.replID, self.sequence) = (epoch, runID, replID, 0)
        case .setAccepted(let sum): self.accepted = sum
        case .setLane(let key, let lane): self.lanes[key] = lane
        case .setNames(let names): self.names = names
        case .remove(let entry):
            self.pending.removeAll { $0 == entry }
        case .unlink(let id): self.batches[id] = nil
        }
    }

    /// Whether a batch with the next number is there already.
    var isNextNumberTaken: Bool {
        self.batches[BatchID(epoch: Epoch(self.epoch), number: self.sequence + 1)] != nil
    }

    /// Closes the live counts under the next number; nothing where nothing was counted. See `seal.inc.lua`.
    var sealing: [Effect] {
        guard self.live != nil else { return [] }
        let id = BatchID(epoch: Epoch(self.epoch), number: self.sequence + 1)
        return [.renameLive(id), .push(.batch(id)), .setSequence(self.sequence + 1)]
    }

    /// Ends the epoch and begins the next. See `hello.lua`.
    func beginning(_ epoch: UInt64, runID: Int, replID: Int, broken: Break?) -> [Effect] {
        let begin = Effect.begin(epoch: epoch, runID: runID, replID: replID)
        guard self.epoch != 0 else { return [begin] }
        let sealing = broken == .liveNotSealed ? [] : self.sealing
        let closing: [Effect] =
            sealing.isEmpty && self.sequence == 0 ? [] : [.push(.epochClosed(Epoch(self.epoch)))]
        return broken == .closedBeforeSealed ? closing + sealing + [begin] : sealing + closing + [begin]
    }

    /// For every counter the digits that lie here.
    var presence: [UInt64] {
        var masks = [UInt64](repeating: 0, count: Catalog.counters)
        func add(_ counts: Counts) {
            for counter in 0..<Catalog.counters where counts.values[counter] != 0 {
                masks[counter] |= Catalog.presence(counts.values[counter])
            }
        }
        if let live = self.live { add(live) }
        for counts in self.batches.values { add(counts) }
        return masks
    }
}
