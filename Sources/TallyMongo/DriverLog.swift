import CMongoc
import Logging
import Synchronization
import TallyCore

/// Leads the driver's own log, which would go to standard error in a format of its own, into swift-log.
enum DriverLog {
    /// What is running on this thread reports here.
    @TaskLocal private static var current: Logger?
    /// The driver's monitors run on threads of its own, which belong to no store: they report where the latest does.
    private static let fallback = Mutex<Logger?>(nil)

    /// Starts the driver, once in the life of the process, and sets where its monitors report.
    static func start(fallback logger: Logger) {
        self.fallback.withLock { $0 = logger }
        _ = self.started
    }

    static func collected<Value, Failure: Error>(
        to logger: Logger, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = self.$current.withValue(logger) {
            Result { () throws(Failure) in try body() }
        }
        return try result.get()
    }

    private static let started: Void = {
        mongoc_log_set_handler(
            { level, domain, message, _ in
                guard let message else { return }
                DriverLog.take(level, domain.map { String(cString: $0) } ?? "", String(cString: message))
            }, nil)
        mongoc_init()
    }()

    private static func take(_ level: mongoc_log_level_t, _ domain: String, _ message: String) {
        guard let logger = self.current ?? self.fallback.withLock({ $0 }) else { return }
        let ours: Logger.Level =
            switch level {
            case MONGOC_LOG_LEVEL_ERROR, MONGOC_LOG_LEVEL_CRITICAL: .error
            case MONGOC_LOG_LEVEL_WARNING: .warning
            case MONGOC_LOG_LEVEL_MESSAGE, MONGOC_LOG_LEVEL_INFO: .info
            case MONGOC_LOG_LEVEL_DEBUG: .debug
            default: .trace
            }
        logger.log(.mongoDBDriver, "MongoDB driver: \(message)", level: ours, [.domain: domain])
    }
}
