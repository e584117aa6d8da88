import CoreMetrics
import TallyCron
import TallyMetrics

/// What the jobs do, for the metrics. Their names are the program's own, under another label than `job`, which is Prometheus'
/// word for what it scrapes.
enum JobMeter {
    /// Makes all series of these jobs, at 0: one that appears with its first failure shows no increase.
    static func begin(_ names: [String], in registry: MetricRegistry) {
        for name in names {
            for succeeded in [true, false] { _ = self.runs(of: name, succeeded: succeeded, in: registry) }
            _ = self.skippedTicks(of: name, in: registry)
        }
    }

    static func note(_ run: CronRun, in registry: MetricRegistry) {
        self.runs(of: run.name, succeeded: run.succeeded, in: registry).increment()
        self.skippedTicks(of: run.name, in: registry).increment(by: run.skippedTicks)
    }

    private static func runs(of name: String, succeeded: Bool, in registry: MetricRegistry) -> Counter {
        Counter(.jobRuns, ["cron_job": name, "outcome": succeeded ? "done" : "failed"], in: registry)
    }

    private static func skippedTicks(of name: String, in registry: MetricRegistry) -> Counter {
        Counter(.jobSkippedTicks, ["cron_job": name], in: registry)
    }
}
