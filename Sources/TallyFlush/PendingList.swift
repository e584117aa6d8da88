import TallyCore

/// What a buffer listed at one moment, and where each epoch begins in it.
struct PendingList {
    let entries: [PendingEntry]
    /// The lowest number of each epoch that may still come.
    private(set) var oldest: [Epoch: Int64] = [:]
    /// Listed, and not there.
    private var gone: Set<BatchID>

    init(_ entries: [PendingEntry], without gone: Set<BatchID> = []) {
        self.entries = entries
        self.gone = gone
        self.findOldest()
    }

    mutating func giveUp(_ id: BatchID) {
        self.gone.insert(id)
        self.findOldest()
    }

    private mutating func findOldest() {
        self.oldest = [:]
        for case .batch(let id) in self.entries where !self.gone.contains(id) {
            self.oldest[id.epoch] = min(self.oldest[id.epoch] ?? .max, id.number)
        }
    }
}
