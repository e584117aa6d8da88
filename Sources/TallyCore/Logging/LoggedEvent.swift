public import Logging

/// Every event that tally logs, and all there is to say about it.
///
/// Names and fields are stable: dashboards and alerts are made of them. docs/logs.md is made from this list. The message
/// beside them is for people, and may change.
///
/// To log something new: a case here with its details, then `logger.log(.name, "in words", [.field: "value"])`.
public enum LoggedEvent: String, CaseIterable, Sendable {
    case started
    case stopped
    case lastFlushDone = "last_flush_done"
    case lastFlushFailed = "last_flush_failed"
    case settingWarning = "setting_warning"
    case fileLimitLow = "file_limit_low"
    case spoolUnavailable = "spool_unavailable"
    case accessLogLost = "access_log_lost"
    case logLost = "log_lost"

    case tracked
    case requestRefused = "request_refused"
    case refusalsSummed = "refusals_summed"
    case requestFailed = "request_failed"
    case request

    case batchNotCounted = "batch_not_counted"
    case batchUnknown = "batch_unknown"
    case spoolInUse = "spool_in_use"
    case spoolLeft = "spool_left"
    case redisAway = "redis_away"
    case redisBack = "redis_back"
    case redisEpochChanged = "redis_epoch_changed"
    case redisRewriting = "redis_rewriting"
    case redisRewriteRefused = "redis_rewrite_refused"
    case bufferUnreadable = "buffer_unreadable"

    case jobDone = "job_done"
    case jobFailed = "job_failed"
    case batchApplied = "batch_applied"
    case batchGone = "batch_gone"
    case batchesMissing = "batches_missing"
    case bufferWentBack = "buffer_went_back"
    case deadLetter = "dead_letter"
    case deadLettersMore = "dead_letters_more"
    case storeUnreadable = "store_unreadable"
    case mongoDBOptionsIgnored = "mongodb_options_ignored"
    case mongoDBDriver = "mongodb_driver"
    case library

    public struct Details: Sendable {
        /// The usual level.
        public let level: Logger.Level
        /// What it means, one line.
        public let meaning: String
        /// The fields that it may have, beside `time`, `level`, `event` and `message`.
        public let fields: [LogField]

        init(_ level: Logger.Level, _ meaning: String, _ fields: LogField...) {
            self.level = level
            self.meaning = meaning
            self.fields = fields
        }
    }

    public var name: String { self.rawValue }

    public var details: Details {
        switch self {
        case .started: Details(.info, "The service listens", .url, .buffer, .store, .version)
        case .stopped: Details(.info, "The service has ended as it should")
        case .lastFlushDone: Details(.info, "What was left when the service stopped was flushed", .outcome)
        case .lastFlushFailed: Details(.warning, "It was not, and stays in the buffer", .reason)
        case .settingWarning: Details(.warning, "Something in the configuration is odd, and does not stop the start")
        case .fileLimitLow:
            Details(.warning, "The system's limit on open files allows fewer connections than MAX_CONNECTIONS", .limit)
        case .spoolUnavailable: Details(.warning, "There is no spool: counts are refused while Redis is away", .reason)
        case .accessLogLost: Details(.warning, "Lines of the access log could not be written", .count, .reason)
        case .logLost: Details(.warning, "Lines of this log could not be written before this one", .count)
        case .tracked:
            Details(
                .debug, "A request was taken for counting", .address, .requestID, .client, .test, .variation,
                .trackedEvent, .items, .counts)
        case .requestRefused:
            Details(
                .info, "A request got an error; at most 10 lines a second for each event loop", .requestID, .address,
                .path, .status, .problem, .reason)
        case .refusalsSummed: Details(.info, "Requests were refused beyond those 10 lines", .count)
        case .requestFailed: Details(.error, "A request got 500: a fault of tally's own", .requestID, .path, .reason)
        case .request:
            Details(
                .info, "A line of the access log", .requestID, .address, .method, .path, .status, .durationMS, .every)
        case .batchNotCounted: Details(.warning, "The buffer did not take a batch; its requests got 503", .reason)
        case .batchUnknown:
            Details(.warning, "Nobody knows whether a batch was counted; its requests got 504", .reason)
        case .spoolInUse: Details(.warning, "Counts go to the spool from now on")
        case .spoolLeft: Details(.notice, "Counts go to the buffer again")
        case .redisAway: Details(.warning, "Redis cannot be reached, or does not answer", .retry)
        case .redisBack: Details(.notice, "Redis is back", .redis)
        case .redisEpochChanged:
            Details(.notice, "Redis was restarted, restored or promoted; a new epoch began", .redis, .epoch)
        case .redisRewriting:
            Details(
                .notice, "Redis was asked to write its append-only file anew; counts go to the spool until it has",
                .redis)
        case .redisRewriteRefused:
            Details(.warning, "Redis does not allow its append-only file to be rewritten", .redis, .answer)
        case .bufferUnreadable: Details(.warning, "The buffer could not be read for an answer", .requestID, .reason)
        case .jobDone: Details(.info, "A scheduled job ran; at debug where it had nothing to do", .job, .durationMS)
        case .jobFailed:
            Details(
                .error, "A scheduled job failed: a flush, an audit, or taking up a renewed certificate", .job,
                .durationMS)
        case .batchApplied: Details(.debug, "A batch was moved into the store", .batch, .buffer, .counters)
        case .batchGone:
            Details(
                .warning, "A batch that the buffer lists is not in it, twice in a row; the flush went on without it",
                .batch, .buffer)
        case .batchesMissing:
            Details(
                .warning, "The store lacks batches of this epoch: was it restored?", .epoch, .lastApplied, .applying)
        case .bufferWentBack:
            Details(
                .warning,
                "The buffer was put back to an older copy and then forward: a batch after the end of its epoch",
                .batch, .counts, .lastApplied, .epoch)
        case .deadLetter:
            Details(
                .error, "A document refuses its counts, which are kept", .collection, .test, .batch, .counts, .code,
                .error)
        case .deadLettersMore: Details(.error, "Further documents do", .batch, .documents)
        case .storeUnreadable: Details(.warning, "The store could not be read", .requestID, .reason)
        case .mongoDBOptionsIgnored: Details(.warning, "MONGODB_URI sets what tally sets itself", .options)
        case .mongoDBDriver: Details(.warning, "What the MongoDB driver says, at its own level", .domain)
        case .library: Details(.warning, "What a library says, at its own level and with fields of its own")
        }
    }
}

/// The fields of log lines. Values are texts, numbers too.
public enum LogField: String, CaseIterable, Sendable {
    case address, answer, applying, batch, buffer, client, code, collection, count, counters, counts, documents, domain
    case epoch, error, every, items, job, limit, method, options, outcome, path, problem, reason, redis, retry, status
    case store, test, url, variation, version
    case durationMS = "duration_ms"
    case lastApplied = "last_applied"
    case requestID = "request_id"
    case trackedEvent = "tracked_event"

    public var meaning: String {
        switch self {
        case .address: "who called, after TRUSTED_PROXIES"
        case .answer: "what Redis said"
        case .applying: "number of the batch that comes now"
        case .batch: "epoch and number of a batch"
        case .buffer: "redis, embedded or spool"
        case .client, .test, .variation: "a name, as it was given"
        case .code: "MongoDB's number for an error"
        case .collection: "a collection of MongoDB"
        case .count: "how many"
        case .counters: "how many counters"
        case .counts: "sum of the counts"
        case .documents: "how many documents"
        case .domain: "part of the driver"
        case .durationMS: "milliseconds"
        case .epoch: "16 hexadecimal digits"
        case .error: "MongoDB's words"
        case .every: "this line stands for so many requests (ACCESS_LOG_EVERY)"
        case .items: "how many items a batch has"
        case .job: "flush, audit or certificate"
        case .lastApplied: "number of the batch that came last"
        case .limit: "how many files may be open"
        case .method: "of HTTP"
        case .options: "names of options"
        case .outcome: "what was moved, in words"
        case .path: "without the query"
        case .problem: "why, one of the words of docs/monitoring.md"
        case .reason: "why, in words"
        case .redis: "host and port"
        case .requestID: "X-Request-ID of the answer"
        case .retry: "when it is tried again, in words"
        case .status: "of HTTP"
        case .store: "mongodb or embedded"
        case .trackedEvent: "the event's name, as it was given"
        case .url: "where the service listens"
        case .version: "of tally"
        }
    }
}

extension Logger {
    /// Logs an event.
    /// - Parameters:
    ///   - message: for people; it may change.
    ///   - level: nil for the event's usual one.
    public func log(
        _ event: LoggedEvent, _ message: @autoclosure () -> Logger.Message, level: Logger.Level? = nil,
        _ fields: @autoclosure () -> [LogField: String] = [:]
    ) {
        let level = level ?? event.details.level
        guard self.logLevel <= level else { return }
        var metadata: Logger.Metadata = ["event": .string(event.name)]
        for (field, value) in fields() {
            assert(event.details.fields.contains(field), "\(event.name) has no field \(field.rawValue)")
            metadata[field.rawValue] = .string(value)
        }
        self.log(level: level, message(), metadata: metadata)
    }
}
