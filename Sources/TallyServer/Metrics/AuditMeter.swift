import CoreMetrics
import TallyFlush
import TallyMetrics

/// What the last audit found, for the metrics.
struct AuditMeter: Sendable {
    private let balanced: Meter
    private let time: Meter
    private let accepted: Meter
    private let persisted: Meter
    private let pending: Meter
    private let deadLettered: Meter

    init(_ registry: MetricRegistry) {
        self.balanced = Meter(.auditBalanced, in: registry)
        self.time = Meter(.auditTime, in: registry)
        self.accepted = Meter(.auditAccepted, in: registry)
        self.persisted = Meter(.auditPersisted, in: registry)
        self.pending = Meter(.auditPending, in: registry)
        self.deadLettered = Meter(.auditDeadLettered, in: registry)
    }

    func record(_ report: AuditReport) {
        let sums = report.sums
        self.balanced.set(report.isBalanced ? 1 : 0)
        self.time.set(report.checkedAt)
        self.accepted.set(sums.accepted)
        self.persisted.set(sums.persisted)
        self.pending.set(sums.pending)
        self.deadLettered.set(sums.deadLettered)
    }
}
