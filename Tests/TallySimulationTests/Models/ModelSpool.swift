import TallyCore

/// The embedded file of one instance as its spool: every transaction is durable, but the file may be exchanged for an
/// older copy while the instance is down. See `BufferTransactions` of TallySQLite.
final class ModelSpool {
    private(set) var data: BufferData
    private(set) var copies: [BufferData] = []
    private var epochToLeave: UInt64?
    private let broken: Break?

    init(epoch: UInt64, broken: Break?) {
        self.data = BufferData()
        self.data.epoch = epoch
        self.broken = broken
    }

    /// The first write after an opening begins a new epoch, since the file may be an old copy.
    func open() { self.epochToLeave = self.data.epoch }

    func copy() { self.copies.append(self.data) }

    func restore(copy index: Int) { self.data = self.copies[index] }

    func count(_ request: Request, hour: Int64, newEpoch: () -> UInt64) {
        self.begin(newEpoch)
        if let live = self.data.live, live.hour != hour { self.perform(self.data.sealing) }
        var counts = self.data.live ?? BufferData.Counts(hour: hour)
        self.data.live = nil
        for item in request.items {
            counts.values[item.counter] += item.count
            counts.total += item.count
            self.data.accepted += item.count
        }
        self.data.live = counts
    }

    func seal(newEpoch: () -> UInt64) {
        self.begin(newEpoch)
        self.perform(self.data.sealing)
    }

    func acknowledge(_ entry: PendingEntry) {
        guard self.data.pending.contains(entry) else { return }
        self.data.perform(.remove(entry))
        if case .batch(let id) = entry { self.data.perform(.unlink(id)) }
    }

    private func begin(_ newEpoch: () -> UInt64) {
        guard self.data.epoch == self.epochToLeave, self.broken != .spoolEpochKept else { return }
        self.perform(self.data.beginning(newEpoch(), runID: 0, replID: 0, broken: self.broken))
    }

    private func perform(_ effects: [BufferData.Effect]) {
        for effect in effects { self.data.perform(effect) }
    }
}
