import CoreMetrics
import TallyCron
import TallyMetrics

/// What the jobs do, for the metrics. Their names are the program's own, under another label than `job`, which is Prometheus'
/// word for what it scrapes.
enum JobMeter {
    static func note(_ run: CronRun, in registry: MetricRegistry) {
        let outcome = run.succeeded ? "done" : "failed"
        Counter(.jobRuns, ["cron_job": run.name, "outcome": outcome], in: registry).increment()
        Counter(.jobSkippedTicks, ["cron_job": run.name], in: registry).increment(by: run.skippedTicks)
    }
}
