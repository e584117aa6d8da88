#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import Logging
import TallyCore
import TallyTrack

/// The system's limit on open files, of which every connection takes one.
enum FileLimit {
    /// Files that are no connections of callers: buffer, store, log, event loops.
    static let reserved = 128

    /// Raises the limit as far as this process may.
    /// - Returns: how many connections there may be: what is wanted, or fewer where the limit allows no more. That is
    ///   logged, since a process without files can neither take a connection nor refuse it.
    static func connections(wanted: Int, logger: Logger) -> Int {
        let files = self.raise(to: wanted + self.reserved + Connections.maximumLingering)
        let possible = max(1, files - self.reserved - Connections.maximumLingering)
        guard possible < wanted else { return wanted }
        logger.log(
            .fileLimitLow,
            "the limit on open files allows \(possible) connections, not the \(wanted) of MAX_CONNECTIONS; raise it (ulimit -n, LimitNOFILE in systemd) or set MAX_CONNECTIONS lower",
            [.limit: String(files)])
        return possible
    }

    /// Raises the soft limit, at most to the hard one.
    /// - Returns: the limit that holds.
    private static func raise(to wanted: Int) -> Int {
        #if os(Linux)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return wanted }
        let current = Int(clamping: limit.rlim_cur)
        guard current < wanted else { return current }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(wanted))
        return setrlimit(resource, &limit) == 0 ? Int(clamping: limit.rlim_cur) : current
    }
}
