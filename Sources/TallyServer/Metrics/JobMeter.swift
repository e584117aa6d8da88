import CoreMetrics
import TallyCron
import TallyMetrics

/// What the jobs do, for the metrics. Their names are the program's own.
enum JobMeter {
    static func note(_ run: CronRun, in registry: MetricRegistry) {
        let outcome = run.succeeded ? "done" : "failed"
        Counter(.jobRuns, ["job": run.name, "outcome": outcome], in: registry).increment()
        Counter(.jobSkippedTicks, ["job": run.name], in: registry).increment(by: run.skippedTicks)
    }
}
