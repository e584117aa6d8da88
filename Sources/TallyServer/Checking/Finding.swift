/// One thing that `tally check` found, and what it means to the counts.
public struct Finding: Sendable, Equatable {
    public enum Severity: String, Sendable {
        /// As it should be.
        case fine
        /// Worth knowing; nothing is wrong with it.
        case note
        /// Counts could be lost, or be seen or changed by others: the check fails.
        case unsafe
        /// It could not be looked at: the check fails, and a server cannot be reached.
        case unreachable
    }

    public let severity: Severity
    /// What was looked at: `Redis`, `MongoDB`, `disk`.
    public let subject: String
    /// What was found.
    public let what: String
    /// What it means to the counts; nil where nothing has to be said.
    public let consequence: String?
    /// What to change, a setting by its name; nil where nothing has to be done.
    public let mend: String?

    init(_ severity: Severity, _ subject: String, _ what: String, means consequence: String? = nil, mend: String? = nil)
    {
        self.severity = severity
        self.subject = subject
        self.what = what
        self.consequence = consequence
        self.mend = mend
    }
}
