import TallyCore

/// What was read for an audit: the store first, then the buffers, while flushes may go on. Pure.
///
/// So a batch that a flush moved in between is missing from both sides; its number is then missing, too, and the books
/// are read again. One that the store had finished before and the buffer still shows is counted once, as persisted.
struct AuditedBooks: Sendable, Equatable {
    let store: [StoreLedgerEntry]
    let buffers: [Buffer]

    struct Buffer: Sendable, Equatable {
        let kind: String
        let ledger: BufferLedger
    }

    private var entries: [Epoch: StoreLedgerEntry] {
        Dictionary(self.store.map { ($0.epoch, $0) }) { first, _ in first }
    }

    func report(at checkedAt: Int64) -> AuditReport {
        let entries = self.entries
        let audits = self.buffers.map { Self.audit($0, entries) }
        let known = Set(audits.flatMap { $0.epochs.map(\.epoch) })
        let others = self.store.filter { !known.contains($0.epoch) }.reduce(into: AuditSums()) { sums, entry in
            sums.accepted += entry.total
            sums.persisted += entry.persisted
            sums.deadLettered += entry.deadLettered
        }
        return AuditReport(checkedAt: checkedAt, buffers: audits, others: others)
    }

    private static func audit(_ buffer: Buffer, _ entries: [Epoch: StoreLedgerEntry]) -> BufferAudit {
        let ledger = buffer.ledger
        // An epoch of which batches wait is known, too, whatever has become of its sum.
        let past = Set(ledger.accepted.keys).union(ledger.pending.map(\.id.epoch)).subtracting([ledger.epoch])
        let epochs = [ledger.epoch] + past.sorted { $0.value < $1.value }
        return BufferAudit(
            buffer: buffer.kind,
            epochs: epochs.map { epoch in
                let entry = entries[epoch]
                let finished = ledger.finished(epoch, entry)
                let waiting = ledger.pending.filter { $0.id.epoch == epoch && $0.id.number > finished }
                let isCurrent = epoch == ledger.epoch
                // What was accepted for the other store is no concern of this one. Nothing is taken from a sum that is
                // known no more.
                let elsewhere = ledger.accepted[epoch] == nil ? 0 : ledger.elsewhere[epoch]?.total ?? 0
                return EpochAudit(
                    epoch: epoch, isCurrent: isCurrent,
                    sums: AuditSums(
                        accepted: (ledger.accepted[epoch] ?? 0) - elsewhere, persisted: entry?.persisted ?? 0,
                        pending: waiting.reduce(isCurrent ? ledger.live : 0) { $0 + $1.total },
                        deadLettered: entry?.deadLettered ?? 0),
                    elsewhere: elsewhere)
            })
    }

    /// Whether every sealed batch is finished in the store or waits in its buffer, by the numbers alone.
    var isComplete: Bool {
        let entries = self.entries
        return self.buffers.allSatisfy { buffer in
            let numbers = Dictionary(grouping: buffer.ledger.pending.map(\.id), by: \.epoch)
            return Set(numbers.keys).union([buffer.ledger.epoch]).allSatisfy { epoch in
                let finished = buffer.ledger.finished(epoch, entries[epoch])
                let waiting = (numbers[epoch] ?? []).map(\.number).filter { $0 > finished }.sorted()
                // How many batches a past epoch had is known no more; then the last one that waits is the end.
                let last = epoch == buffer.ledger.epoch ? buffer.ledger.lastNumber : waiting.last ?? finished
                return last <= finished ? waiting.isEmpty : waiting == Array(finished + 1...last)
            }
        }
    }

    /// Whether nothing was sealed, moved or replayed between two readings. New counts do not matter: a buffer takes them
    /// on both sides of its books at once.
    func isAsBefore(_ before: AuditedBooks?) -> Bool {
        guard let before, self.store == before.store, self.buffers.count == before.buffers.count else { return false }
        return zip(self.buffers, before.buffers).allSatisfy { now, before in
            now.ledger.epoch == before.ledger.epoch && now.ledger.lastNumber == before.ledger.lastNumber
                && now.ledger.pending == before.ledger.pending
        }
    }
}

extension BufferLedger {
    /// Up to which number an epoch is finished, be it in the store in use or in an earlier one.
    fileprivate func finished(_ epoch: Epoch, _ entry: StoreLedgerEntry?) -> Int64 {
        max(entry?.lastNumber ?? 0, self.elsewhere[epoch]?.lastNumber ?? 0)
    }
}
