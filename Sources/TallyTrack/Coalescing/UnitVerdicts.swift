import TallyCore

/// The verdicts on a batch of which not everything was counted, by unit, as its waiters ask for them.
struct UnitVerdicts {
    /// What of a unit was not counted because its event IDs were remembered.
    private struct Duplicates {
        var items = 0
        var sum: Int64 = 0
    }

    private let batch: CountBatch
    private var refused: [Int32: Verdicts.Exception] = [:]
    private var duplicates: [Int32: Duplicates] = [:]
    /// The sum of what the buffer counted, and of what it did not count because it remembered the event ID.
    let countedSum: Int64
    let duplicateSum: Int64

    init(_ verdicts: Verdicts, of batch: CountBatch) {
        self.batch = batch
        for exception in verdicts.exceptions { self.refused[Int32(exception.unit)] = exception }
        for entry in verdicts.duplicates {
            // An entry with an event ID is one item of its request, merged with no other.
            let entry = batch.entries[entry]
            self.duplicates[entry.unit, default: Duplicates()].items += 1
            self.duplicates[entry.unit, default: Duplicates()].sum += entry.count
        }
        let refused = self.refused
        self.duplicateSum = self.duplicates.values.reduce(0) { $0 + $1.sum }
        self.countedSum =
            batch.entries.reduce(0) { refused[$1.unit] == nil ? $0 + $1.count : $0 } - self.duplicateSum
    }

    func response(to waiter: Waiter) -> TrackResponse {
        if let exception = self.refused[waiter.unit] {
            return .problem(.boundReached(exception.refusal, field: self.batch.field(exception.entry)))
        }
        guard let accepted = waiter.accepted else {
            return self.duplicates[waiter.unit] == nil ? .counted : .duplicate
        }
        guard let duplicates = self.duplicates[waiter.unit] else { return .countedAll(accepted) }
        return .countedSome(accepted: accepted - duplicates.sum, duplicates: duplicates.items)
    }
}
