import TallyCore

/// What the driver or the server reported, as it came.
struct MongoError: Error, Sendable {
    /// Who reported it, as far as tally tells them apart.
    enum Domain: Sendable {
        /// No server was found that could be asked.
        case serverSelection
        /// The connection broke, or timed out.
        case connection
        /// The server does not know the user or the password.
        case authentication
        /// The server answered with an error.
        case server
        /// The write was not acknowledged by a majority of the members.
        case writeConcern
        /// What lies there is not what tally writes.
        case content
        /// Anything else of the driver's own.
        case driver
    }

    let domain: Domain
    /// The server's or the driver's number for it.
    let code: Int32
    /// In their words.
    let message: String
    /// The server's error labels, such as `RetryableWriteError`.
    let labels: [String]
    /// What tally was doing, to follow "could not".
    let attempted: String

    init(_ domain: Domain, code: Int32, message: String, labels: [String] = [], attempted: String) {
        self.domain = domain
        self.code = code
        self.message = message
        self.labels = labels
        self.attempted = attempted
    }

    /// Whether trying again later may help, with nothing changed by hand.
    var isTransient: Bool {
        switch self.domain {
        case .serverSelection, .connection, .writeConcern: true
        case .content: false
        case .authentication, .driver: self.labels.contains("RetryableWriteError")
        case .server: self.labels.contains("RetryableWriteError") || Self.isTransient(serverCode: self.code)
        }
    }

    /// Whether the same command may succeed at once: the connection broke, or the server said that another primary is
    /// being found. Where no server can be found, the driver has looked long enough already.
    var isWorthASecondAttempt: Bool { self.domain == .connection || self.labels.contains("RetryableWriteError") }

    /// Whether a server's error says that it is away, busy with an election, or going down.
    /// Source: https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
    /// and, for the names, https://www.mongodb.com/docs/manual/reference/error-codes/
    static func isTransient(serverCode: Int32) -> Bool {
        switch serverCode {
        case 6, 7, 89, 9001: true  // HostUnreachable, HostNotFound, NetworkTimeout, SocketException
        case 91, 11600: true  // ShutdownInProgress, InterruptedAtShutdown
        case 189, 10058, 10107, 11602, 13435, 13436: true  // no primary here, or it has just stepped down
        case 50, 64, 262: true  // MaxTimeMSExpired, WriteConcernFailed, ExceededTimeLimit
        case 112, 133, 134: true  // WriteConflict, FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet
        default: false
        }
    }

    /// Whether a server's error about one statement may be the document's own, so that only a change of that document
    /// helps. Not where it is about the user, the disk or how the cluster is laid out: that meets every document, and
    /// passes with its cause.
    static func mayBeOfDocument(serverCode: Int32) -> Bool {
        switch serverCode {
        case 13, 18: false  // Unauthorized, AuthenticationFailed
        case 24, 46, 11601: false  // LockTimeout, LockBusy, Interrupted
        case 63, 70, 150, 13388: false  // StaleShardVersion, ShardNotFound, StaleEpoch, StaleConfig
        case 8000, 14031: false  // AtlasError, such as a space quota; OutOfDiskSpace
        default: !self.isTransient(serverCode: serverCode)
        }
    }

    /// The error as callers see it.
    /// - Parameter hosts: which servers were asked.
    func storeError(hosts: String) -> StoreError {
        let start = "MongoDB at \(hosts): could not \(self.attempted): \(self.message) (code \(self.code))."
        switch self.domain {
        case .serverSelection, .connection:
            return StoreError(.unavailable, "\(start) Check that it runs, has a primary and can be reached from here.")
        case .authentication:
            return StoreError(.refused, "\(start) Check the user, the password and authSource in MONGODB_URI.")
        case .writeConcern:
            return StoreError(
                .unavailable,
                "\(start) A majority of the members did not confirm the write in time; check that they are up.")
        case .content:
            return StoreError(.malformed, "\(start) Tally did not write it so; restore it, or mend it by hand.")
        case .server, .driver:
            return StoreError(self.isTransient ? .unavailable : .refused, start)
        }
    }
}
