/// Every metric of tally, and all there is to say about it.
///
/// The one list from which HELP and TYPE are made, and to which docs/monitoring.md, the dashboard and the alerts are
/// held. No label takes a value that a caller chooses, so the number of series is fixed.
///
/// To add a metric: a case here with its details, and a meter that feeds it.
public enum Metric: String, CaseIterable, Sendable {
    case trackRequests = "tally_track_requests_total"
    case trackCounts = "tally_track_counts_total"
    case trackDuration = "tally_track_duration_seconds"
    case trackBatchCounters = "tally_track_batch_counters"
    case connections = "tally_connections"

    case bufferUp = "tally_buffer_up"
    case bufferPendingBatches = "tally_buffer_pending_batches"
    case bufferPendingCounts = "tally_buffer_pending_counts"
    case spoolBytes = "tally_spool_bytes"
    case spoolMaximumBytes = "tally_spool_max_bytes"
    case storeUp = "tally_store_up"

    case flushDuration = "tally_flush_duration_seconds"
    case flushCounts = "tally_flush_counts_total"
    case flushFailures = "tally_flush_failures_total"
    case flushLastSuccess = "tally_flush_last_success_timestamp_seconds"

    case auditBalanced = "tally_audit_balanced"
    case auditTime = "tally_audit_timestamp_seconds"
    case auditAccepted = "tally_audit_accepted_counts"
    case auditPersisted = "tally_audit_persisted_counts"
    case auditPending = "tally_audit_pending_counts"
    case auditDeadLettered = "tally_audit_dead_lettered_counts"

    case jobRuns = "tally_job_runs_total"
    case jobSkippedTicks = "tally_job_skipped_ticks_total"

    case buildInfo = "tally_build_info"
    case processMemory = "process_resident_memory_bytes"
    case processCPU = "process_cpu_seconds_total"
    case processStart = "process_start_time_seconds"
    case processOpenFiles = "process_open_fds"

    public enum Kind: Sendable, Equatable {
        case counter
        case gauge
        /// Upper bounds of the buckets, ascending, in nanoseconds; shown in seconds.
        case durations([Int64])
        /// Upper bounds of the buckets, ascending.
        case sizes([Int64])
    }

    public struct Details: Sendable {
        public let kind: Kind
        public let labels: [String]
        /// What it means, for HELP: one line.
        public let help: String

        init(_ kind: Kind, _ help: String, by labels: String...) {
            self.kind = kind
            self.labels = labels
            self.help = help
        }
    }

    /// The name as Prometheus has it.
    public var name: String { self.rawValue }

    public var details: Details {
        switch self {
        case .trackRequests:
            Details(.counter, "Requests to /track that were answered, by what became of them.", by: "result")
        case .trackCounts:
            Details(
                .counter, "Counts that the buffer answered for, by whether it counted them or knew their eventID.",
                by: "result")
        case .trackDuration:
            Details(
                .durations(Self.answerBounds),
                "Time to the answer of requests that were sent to the buffer, as exact as a tick of an event loop.")
        case .trackBatchCounters:
            Details(.sizes([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]), "Counters in each batch sent to the buffer.")
        case .connections: Details(.gauge, "Open connections of callers.")
        case .bufferUp: Details(.gauge, "Whether the buffer answered when it was last asked.", by: "buffer")
        case .bufferPendingBatches:
            Details(.gauge, "Sealed batches that wait for the store; NaN while the buffer is away.", by: "buffer")
        case .bufferPendingCounts:
            Details(
                .gauge, "Counts that wait for the store, sealed or not; NaN while the buffer is away.", by: "buffer")
        case .spoolBytes:
            Details(.gauge, "What the counters in this instance's spool take of SPOOL_MAX_MB; 0 without a spool.")
        case .spoolMaximumBytes: Details(.gauge, "SPOOL_MAX_MB in bytes; 0 without a spool.")
        case .storeUp: Details(.gauge, "Whether the store answered when it was last asked.", by: "store")
        case .flushDuration:
            Details(.durations(Self.jobBounds), "Time that each flush took, whether it succeeded or not.")
        case .flushCounts: Details(.counter, "Counts that flushes of this instance moved into the store.")
        case .flushFailures: Details(.counter, "Flushes that left something behind because of an error.")
        case .flushLastSuccess:
            Details(
                .gauge,
                "When a flush of this instance last moved everything there was, or else when it was started; since 1970."
            )
        case .auditBalanced:
            Details(
                .gauge,
                "Whether accepted = persisted + pending + dead-lettered held at the last audit; NaN before the first.")
        case .auditTime: Details(.gauge, "When the last audit was made, since 1970; NaN before the first.")
        case .auditAccepted: Details(.gauge, "Counts that the buffers have accepted for this store, at the last audit.")
        case .auditPersisted: Details(.gauge, "Counts that the store has, at the last audit.")
        case .auditPending: Details(.gauge, "Counts that wait for the store, at the last audit.")
        case .auditDeadLettered:
            Details(.gauge, "Counts that the store refused and that were set aside, at the last audit.")
        case .jobRuns: Details(.counter, "Runs of each scheduled job, by outcome.", by: "cron_job", "outcome")
        case .jobSkippedTicks:
            Details(.counter, "Times at which a job was due and still busy with the run before.", by: "cron_job")
        case .buildInfo: Details(.gauge, "Always 1; the labels say what is running.", by: "version", "swift")
        case .processMemory: Details(.gauge, "Resident memory.")
        case .processCPU: Details(.counter, "Processor time, user and system.")
        case .processStart: Details(.gauge, "When the process started, since 1970.")
        case .processOpenFiles: Details(.gauge, "Open file descriptors.")
        }
    }

    /// From a buffer on the same machine, a quarter of a millisecond, to the 5 s after which nobody waits any more.
    private static let answerBounds: [Int64] = [
        250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000,
    ]

    /// From a flush with nothing to move to one that takes longer than the schedule.
    private static let jobBounds: [Int64] = [
        5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000,
        2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000, 300_000_000_000,
    ]
}
