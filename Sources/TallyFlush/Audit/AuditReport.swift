public import TallyCore

/// The books, and whether they balance: accepted = persisted + pending + dead-lettered, in every epoch of every buffer.
public struct AuditReport: Sendable, Equatable {
    /// In seconds since 1970.
    public let checkedAt: Int64
    /// The buffers of this deployment, in the order in which they are flushed.
    public let buffers: [BufferAudit]
    /// What the store has of epochs that none of these buffers knows: past ones, and those of other instances' buffers.
    /// There is nothing here that it could be held against, so it is taken as it stands.
    public let others: AuditSums

    public init(checkedAt: Int64, buffers: [BufferAudit], others: AuditSums) {
        self.checkedAt = checkedAt
        self.buffers = buffers
        self.others = others
    }

    public var sums: AuditSums { self.buffers.reduce(self.others) { $0 + $1.sums } }
    public var isBalanced: Bool { self.buffers.allSatisfy(\.isBalanced) }
    public var restored: Int64 { self.buffers.reduce(0) { $0 + $1.restored } }
    public var elsewhere: Int64 { self.buffers.reduce(0) { $0 + $1.elsewhere } }

    /// What is wrong, in words for the operator; nil where nothing is.
    public var fault: String? {
        let faults = self.buffers.flatMap { buffer in
            buffer.epochs.filter { !$0.isBalanced }.map { "\(buffer.buffer), epoch \($0.epoch): \($0.fault)" }
        }
        return faults.isEmpty ? nil : "the books do not balance. " + faults.joined(separator: "; ")
    }
}

/// One buffer's books.
public struct BufferAudit: Sendable, Equatable {
    /// `redis`, `embedded`, `spool`.
    public let buffer: String
    /// The current one first, the others in the order of their digits.
    public let epochs: [EpochAudit]

    public init(buffer: String, epochs: [EpochAudit]) {
        self.buffer = buffer
        self.epochs = epochs
    }

    public var sums: AuditSums { self.epochs.reduce(AuditSums()) { $0 + $1.sums } }
    public var isBalanced: Bool { self.epochs.allSatisfy(\.isBalanced) }
    public var restored: Int64 { self.epochs.reduce(0) { $0 + $1.restored } }
    public var elsewhere: Int64 { self.epochs.reduce(0) { $0 + $1.elsewhere } }
}

/// The books of one epoch.
public struct EpochAudit: Sendable, Equatable {
    public let epoch: Epoch
    /// Takes counts now; the others have ended.
    public let isCurrent: Bool
    public let sums: AuditSums
    /// Counts that the buffer accepted, too, and that were flushed into another store: an earlier configuration had that.
    /// They are in none of the sums.
    public let elsewhere: Int64

    public init(epoch: Epoch, isCurrent: Bool, sums: AuditSums, elsewhere: Int64 = 0) {
        self.epoch = epoch
        self.isCurrent = isCurrent
        self.sums = sums
        self.elsewhere = elsewhere
    }

    /// An epoch ends when its buffer may have been put back to an older state of itself. It may then know of fewer
    /// counts than had been flushed by then, never of more.
    public var isBalanced: Bool { self.isCurrent ? self.sums.difference == 0 : self.sums.difference >= 0 }

    /// Counts that the store has and the buffer has forgotten.
    public var restored: Int64 { self.isCurrent ? 0 : max(0, self.sums.difference) }

    fileprivate var fault: String {
        let difference = self.sums.difference
        return "\(self.sums.accepted) accepted, but \(self.sums.persisted) persisted + \(self.sums.pending) pending + "
            + "\(self.sums.deadLettered) dead-lettered are \(difference.magnitude) too \(difference < 0 ? "few" : "many")"
    }
}

/// Numbers of counts.
public struct AuditSums: Sendable, Equatable {
    /// What the buffer has taken for this store.
    public var accepted: Int64 = 0
    /// What the store's documents have.
    public var persisted: Int64 = 0
    /// What waits in the buffer.
    public var pending: Int64 = 0
    /// What documents refused, and is kept for them.
    public var deadLettered: Int64 = 0

    public init() {}

    public init(accepted: Int64, persisted: Int64, pending: Int64, deadLettered: Int64) {
        self.accepted = accepted
        self.persisted = persisted
        self.pending = pending
        self.deadLettered = deadLettered
    }

    /// How many more there are than were accepted; below zero: how many are missing.
    public var difference: Int64 { self.persisted + self.pending + self.deadLettered - self.accepted }

    static func + (left: AuditSums, right: AuditSums) -> AuditSums {
        AuditSums(
            accepted: left.accepted + right.accepted, persisted: left.persisted + right.persisted,
            pending: left.pending + right.pending, deadLettered: left.deadLettered + right.deadLettered)
    }
}
