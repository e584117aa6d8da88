import Synchronization

/// What the last audit found, for whoever asks without making one.
public final class AuditStatus: Sendable {
    private struct State {
        var last: AuditReport?
        var mismatches = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Nil before the first audit.
    public var last: AuditReport? { self.state.withLock { $0.last } }

    /// How many audits of this process did not balance.
    public var mismatches: Int { self.state.withLock { $0.mismatches } }

    public func record(_ report: AuditReport) {
        self.state.withLock {
            $0.last = report
            if !report.isBalanced { $0.mismatches += 1 }
        }
    }
}
