import TallyCore

/// Every key of the configuration, and all there is to say about it.
///
/// The one list from which flags, `.env.example`, error texts and `tally config` are made. To add a setting: a case
/// here with its details, and a field in `Settings` that reads it.
public enum SettingKey: String, CaseIterable, Sendable {
    case host = "HOST"
    case port = "PORT"
    case redisURL = "REDIS_URL"
    case redisCAFile = "REDIS_CA_FILE"
    case redisKeyPrefix = "REDIS_KEY_PREFIX"
    case mongoDBURI = "MONGODB_URI"
    case dataDirectory = "DATA_DIR"
    case spoolMaxMegabytes = "SPOOL_MAX_MB"
    case flushSchedule = "FLUSH_SCHEDULE"
    case trackAllowedIPs = "TRACK_ALLOWED_IPS"
    case readAllowedIPs = "READ_ALLOWED_IPS"
    case trustedProxies = "TRUSTED_PROXIES"
    case tlsCertificateFile = "TLS_CERT_FILE"
    case tlsKeyFile = "TLS_KEY_FILE"
    case logLevel = "LOG_LEVEL"
    case logFormat = "LOG_FORMAT"
    case accessLog = "ACCESS_LOG"
    case accessLogEvery = "ACCESS_LOG_EVERY"
    case eventLoops = "EVENT_LOOPS"
    case maxConnections = "MAX_CONNECTIONS"
    case idleTimeout = "IDLE_TIMEOUT_S"
    case requestTimeout = "REQUEST_TIMEOUT_S"
    case maxClients = "MAX_CLIENTS"
    case maxTestsPerClient = "MAX_TESTS_PER_CLIENT"
    case maxVariationsPerTest = "MAX_VARIATIONS_PER_TEST"
    case maxEventsPerTest = "MAX_EVENTS_PER_TEST"
    case dedupeWindow = "DEDUPE_WINDOW"
    case dedupeMaxIDs = "DEDUPE_MAX_IDS"

    /// All keys, in the order in which they are shown.
    public static let all: [SettingKey] = allCases

    /// What holds where nobody says anything.
    public enum Default: Sendable, Equatable {
        /// A value, as it would be written.
        case value(String)
        /// No value; the text says what that means.
        case unset(String)
    }

    public struct Details: Sendable, Equatable {
        public let standard: Default
        /// A sentence without its full stop.
        public let meaning: String
        /// Which values are taken.
        public let allowed: String
        /// What a number counts; nil where the value is no number or has no unit.
        public var unit: String? = nil
        /// A value that makes sense, not necessarily the default.
        public let example: String
        /// Whether a part of the value (a URL's password) is never shown, neither here nor in errors.
        public var holdsSecret = false
        /// Whether an empty value is a value. For other keys `KEY=` is as if the line were not there.
        public var takesEmpty = false
    }

    /// The name in the environment and in `.env`.
    public var name: String { self.rawValue }

    /// The command line's flag: `--redis-url` for `REDIS_URL`.
    public var flag: String { "--" + self.name.lowercased().replacing("_", with: "-") }

    public var details: Details {
        switch self {
        case .host:
            Details(
                standard: .value("127.0.0.1"),
                meaning: "The address or host name to listen on; 0.0.0.0 takes calls on every IPv4 interface",
                allowed: "an IPv4 or IPv6 address (without brackets) or a host name", example: "0.0.0.0")
        case .port:
            Details(
                standard: .value("8080"), meaning: "The TCP port to listen on",
                allowed: "a whole number from 0 to 65535; 0 takes any free port", example: "8080")
        case .redisURL:
            Details(
                standard: .unset("the embedded buffer, in DATA_DIR"),
                meaning: "The Redis that takes the counts before they are flushed",
                allowed:
                    "redis://[[user]:password@]host[:port][/database], or rediss:// for TLS; "
                    + "special characters in user and password as %XX",
                example: "redis://:password@localhost:6379/0", holdsSecret: true)
        case .redisCAFile:
            Details(
                standard: .unset("the system's certificate authorities"),
                meaning: "The certificates that are trusted for rediss://, where Redis' own is not signed publicly",
                allowed: "the path of a PEM file", example: "/etc/tally/redis-ca.pem")
        case .redisKeyPrefix:
            Details(
                standard: .value("tally"),
                meaning: "What the names of all keys in Redis begin with, so that several deployments share one Redis",
                allowed: "1 to 64 ASCII letters, digits, _ . and -", example: "tally-staging")
        case .mongoDBURI:
            Details(
                standard: .unset("the embedded store, in DATA_DIR"),
                meaning: "The MongoDB that keeps the counts; the path names the database, else it is tally",
                allowed: "a connection string that begins with mongodb:// or mongodb+srv://",
                example: "mongodb://user:password@localhost:27017/tally?replicaSet=rs0", holdsSecret: true)
        case .dataDirectory:
            Details(
                standard: .value("./tally-data"),
                meaning: "The folder of the embedded files",
                allowed: "a path, absolute or from the working folder; ~ is not expanded", example: "/var/lib/tally")
        case .spoolMaxMegabytes:
            Details(
                standard: .value("1024"),
                meaning:
                    "How much may wait in the spool, the embedded file that takes counts while Redis is away; past it "
                    + "they are refused with 503",
                allowed: "a whole number from \(Self.spoolRange.lowerBound) to \(Self.spoolRange.upperBound)",
                unit: "megabytes", example: "4096")
        case .flushSchedule:
            Details(
                standard: .value("* * * * *"), meaning: "When the buffer is flushed to the store, in UTC",
                allowed:
                    "5 crontab fields (minute, hour, day of month, month, day of week), 6 with seconds first, "
                    + "or @hourly and the like",
                example: "*/5 * * * *")
        case .trackAllowedIPs:
            Details(
                standard: .value("127.0.0.0/8,::1"),
                meaning: "Who may call /track: the addresses of the VPN, or designated ones",
                allowed: "IPv4 and IPv6 addresses and CIDR ranges, separated by commas",
                example: "10.8.0.0/16,203.0.113.7")
        case .readAllowedIPs:
            Details(
                standard: .value("127.0.0.0/8,::1"), meaning: "Who may call everything that reads",
                allowed: "IPv4 and IPv6 addresses and CIDR ranges, separated by commas", example: "10.8.0.0/16")
        case .trustedProxies:
            Details(
                standard: .value(""), meaning: "The proxies whose X-Forwarded-For is believed",
                allowed: "IPv4 and IPv6 addresses and CIDR ranges, separated by commas; empty for none",
                example: "10.0.0.2", takesEmpty: true)
        case .tlsCertificateFile:
            Details(
                standard: .unset("plain HTTP"),
                meaning: "The certificate for HTTPS, and those that signed it; taken up again within seconds when the "
                    + "file changes",
                allowed: "the path of a PEM file, together with TLS_KEY_FILE", example: "/etc/tally/certificate.pem")
        case .tlsKeyFile:
            Details(
                standard: .unset("plain HTTP"), meaning: "The private key of the certificate in TLS_CERT_FILE",
                allowed: "the path of a PEM file without a passphrase", example: "/etc/tally/key.pem")
        case .logLevel:
            Details(
                standard: .value(LogLevel.info.rawValue), meaning: "The least important log lines that are written",
                allowed: LogLevel.allCases.map(\.rawValue).joined(separator: ", "), example: "debug")
        case .logFormat:
            Details(
                standard: .value(LogLine.Format.text.rawValue),
                meaning: "How log lines are written, to standard output",
                allowed: LogLine.Format.allCases.map(\.rawValue).joined(separator: ", "), example: "json")
        case .accessLog:
            Details(
                standard: .unset("no access log"),
                meaning:
                    "Where a line for each request is written, in the form of LOG_FORMAT; the file may be renamed or "
                    + "removed at any time",
                allowed: "the path of a file, or - for standard output", example: "/var/log/tally/access.log")
        case .accessLogEvery:
            Details(
                standard: .value("1"), meaning: "The access log takes every Nth request, N being this number",
                allowed: "a whole number from \(Self.everyRange.lowerBound) to \(Self.everyRange.upperBound)",
                unit: "requests", example: "100")
        case .eventLoops:
            Details(
                standard: .unset("half the processors, at least one"),
                meaning: "How many threads take requests; the buffer and the network need processors too, and fewer "
                    + "threads make larger batches",
                allowed: "a whole number from \(Self.eventLoopRange.lowerBound) to \(Self.eventLoopRange.upperBound)",
                unit: "threads", example: "4")
        case .maxConnections:
            Details(
                standard: .value("10000"),
                meaning: "How many connections may be open; one beyond is answered with 503 and closed. Each takes a "
                    + "file, so the system's limit on open files may allow fewer, which the start says",
                allowed: "a whole number from 1 to 1000000", unit: "connections", example: "20000")
        case .idleTimeout:
            Details(
                standard: .value("75"),
                meaning: "How long a connection stays open without a request. Set it longer than your proxy's own "
                    + "keep-alive time; otherwise the proxy may send a request just as tally closes the connection",
                allowed: Self.secondsAllowed, unit: "seconds", example: "120")
        case .requestTimeout:
            Details(
                standard: .value("10"),
                meaning: "How long a request may take to arrive, head and body, and a caller to take its answer; the "
                    + "connection is closed then, after 408 where something can still be said",
                allowed: Self.secondsAllowed, unit: "seconds", example: "30")
        case .maxClients: bound(10_000, "How many clients are taken", unit: "clients")
        case .maxTestsPerClient: bound(1_000, "How many tests are taken for one client", unit: "tests")
        case .maxVariationsPerTest: bound(100, "How many variations are taken for one test", unit: "variations")
        case .maxEventsPerTest: bound(20, "How many events are taken for one test", unit: "events")
        case .dedupeWindow:
            Details(
                standard: .value("10m"),
                meaning: "How long an eventID is remembered: a count with the same one within that time is not counted "
                    + "again; the same for all instances",
                allowed: "a whole number with its unit, s, m or h, from 1m to 24h", example: "1h")
        case .dedupeMaxIDs:
            Details(
                standard: .value("1000000"),
                meaning: "How many eventIDs are remembered at a time; with as many, a count with a new one is refused "
                    + "with 503. Each takes some 100 bytes of Redis' memory, or of the embedded file",
                allowed: "a whole number from \(Self.maxIDsRange.lowerBound) to \(Self.maxIDsRange.upperBound)",
                unit: "IDs", example: "5000000")
        }
    }

    /// The values that the time for which IDs are remembered may have. Not below a minute: a batch with IDs is sent
    /// again to Redis for half of it.
    static let windowRange = Duration.seconds(60)...Duration.seconds(86_400)

    /// How many IDs may be remembered: all of one request at least.
    static let maxIDsRange = 1_000...100_000_000

    static let everyRange = 1...1_000_000
    static let eventLoopRange = 1...256
    static let spoolRange = 1...1_000_000
    static let connectionRange = 1...1_000_000
    static let secondsRange = 1...86_400

    private static let secondsAllowed =
        "a whole number from \(Self.secondsRange.lowerBound) to \(Self.secondsRange.upperBound)"

    /// The values that a bound on names may have.
    static let boundRange = 1...1_000_000_000

    private func bound(_ standard: Int, _ meaning: String, unit: String) -> Details {
        Details(
            standard: .value(String(standard)), meaning: meaning + "; a name beyond is refused with 422",
            allowed: "a whole number from \(Self.boundRange.lowerBound) to \(Self.boundRange.upperBound)", unit: unit,
            example: String(standard * 2))
    }
}
