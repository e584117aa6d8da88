/// One run of a job, for metrics.
public struct CronRun: Sendable, Equatable {
    /// The job's name.
    public let name: String

    /// The tick that it ran for, in seconds since 1970. The run itself may have started a little later.
    public let dueSecondsSince1970: Int64

    /// How long the run took.
    public let duration: Duration

    /// Whether the job returned; false if it threw.
    public let succeeded: Bool

    /// How many ticks fell while the job ran, and so were left out; at most `CronJobs.maximumSkippedTicks`.
    public let skippedTicks: Int
}
