public import TallyAccess
public import TallyCore
public import TallyCron

/// The configuration: checked, typed, and with the memory of where each value came from.
public struct Settings: Sendable {
    /// Where it listens: a name or an address, IPv6 without brackets.
    public let host: String
    /// 0 to 65535; 0 takes any free port.
    public let port: Int
    /// Nil for the embedded buffer.
    public let redis: RedisURL?
    /// A PEM file; nil for the system's authorities.
    public let redisCAFile: String?
    /// 1 to 64 of `[A-Za-z0-9_.-]`.
    public let redisKeyPrefix: String
    /// Nil for the embedded store.
    public let mongoDBURI: MongoDBURI?
    /// A path as it was given, absolute or from the working folder.
    public let dataDirectory: String
    /// 1 MB is 1,000,000 bytes.
    public let spoolMaxMegabytes: Int
    public let flushSchedule: CronSchedule
    public let trackAllowed: AddressList
    public let readAllowed: AddressList
    public let trustedProxies: AddressList
    /// Nil for plain HTTP.
    public let tls: TLSFiles?
    public let logLevel: LogLevel
    public let logFormat: LogLine.Format
    /// A path, `-` for standard output; nil for none.
    public let accessLog: String?
    /// The access log takes one request of so many.
    public let accessLogEvery: Int
    /// Nil for half the processors, at least one.
    public let eventLoops: Int?
    public let maxConnections: Int
    public let idleTimeoutSeconds: Int
    public let requestTimeoutSeconds: Int
    public let maxClients: Int
    public let maxTestsPerClient: Int
    public let maxVariationsPerTest: Int
    public let maxEventsPerTest: Int
    /// How long event IDs are remembered.
    public let dedupeWindow: Duration
    public let dedupeMaxIDs: Int

    /// Every key, in the order of the table, secrets redacted.
    public let effective: [EffectiveSetting]
    /// What is odd but does not stop the start: keys in the `.env` file that tally does not know.
    public let warnings: [String]

    /// Reads the configuration: flag over environment over `.env` over default.
    ///
    /// An empty value in the environment or the file counts as not given, except for `TRUSTED_PROXIES`, where it means
    /// none. An empty flag unsets what the environment or the file gives.
    /// - Parameters:
    ///   - flags: by the names of keys (`PORT`, not `--port`).
    ///   - environment: of the process; unknown names are ignored.
    ///   - envFile: unknown keys in it are warnings, since it may be shared with other programs.
    /// - Throws: `SettingsError` with everything that is wrong: the file's syntax, and every value that would hold.
    public static func load(
        flags: [String: String], environment: [String: String], envFile: EnvFile
    ) throws(SettingsError) -> Settings {
        var faults: [SettingsError.Fault] = []
        var entries: [DotEnv.Entry] = []
        do {
            if let contents = try envFile.contents() {
                let (read, bad) = DotEnv.scan(contents)
                entries = read
                faults += bad.map { .init(place: "\(envFile.path) line \($0.line)", what: $0.what) }
            }
        } catch {
            faults.append(.init(place: envFile.path, what: error.description))
        }
        for name in flags.keys.sorted() where SettingKey(rawValue: name) == nil {
            faults.append(.init(place: "flag \(name)", what: "is not a setting"))
        }
        let sources = SettingSources(
            flags: flags, environment: environment, envFilePath: envFile.path, envFileEntries: entries)
        var reader = SettingReader(sources: sources, faults: faults)
        let warnings = unknownKeyWarnings(entries: entries, path: envFile.path)
        let settings = Settings(reading: &reader, warnings: warnings)
        guard reader.faults.isEmpty else { throw SettingsError(faults: reader.faults, warnings: warnings) }
        return settings
    }

    /// Reads every key, in the order of the table.
    private init(reading reader: inout SettingReader, warnings: [String]) {
        let bound = SettingParsers.wholeNumber(within: SettingKey.boundRange)
        self.host = reader.required(.host, SettingParsers.host)
        self.port = reader.required(.port, SettingParsers.wholeNumber(within: 0...65_535))
        self.redis = reader.optional(.redisURL, show: \.description, RedisURL.init(parsing:))
        self.redisCAFile = reader.optional(.redisCAFile, show: \.self, SettingParsers.path)
        self.redisKeyPrefix = reader.required(.redisKeyPrefix, SettingParsers.redisKeyPrefix)
        self.mongoDBURI = reader.optional(.mongoDBURI, show: \.redacted, MongoDBURI.init(parsing:))
        self.dataDirectory = reader.required(.dataDirectory, SettingParsers.path)
        self.spoolMaxMegabytes = reader.required(
            .spoolMaxMegabytes, SettingParsers.wholeNumber(within: SettingKey.spoolRange))
        self.flushSchedule = reader.required(.flushSchedule, SettingParsers.schedule)
        self.trackAllowed = reader.required(.trackAllowedIPs, SettingParsers.addresses)
        self.readAllowed = reader.required(.readAllowedIPs, SettingParsers.addresses)
        self.trustedProxies = reader.required(.trustedProxies, SettingParsers.addresses)
        self.tls = TLSFiles(
            certificate: reader.optional(.tlsCertificateFile, show: \.self, SettingParsers.path),
            key: reader.optional(.tlsKeyFile, show: \.self, SettingParsers.path))
        reader.requireTogether(.tlsCertificateFile, .tlsKeyFile)
        self.logLevel = reader.required(.logLevel, SettingParsers.choice(of: LogLevel.self))
        self.logFormat = reader.required(.logFormat, SettingParsers.choice(of: LogLine.Format.self))
        self.accessLog = reader.optional(.accessLog, show: \.self, SettingParsers.path)
        self.accessLogEvery = reader.required(
            .accessLogEvery, SettingParsers.wholeNumber(within: SettingKey.everyRange))
        self.eventLoops = reader.optional(
            .eventLoops, show: { String($0) }, SettingParsers.wholeNumber(within: SettingKey.eventLoopRange))
        self.maxConnections = reader.required(
            .maxConnections, SettingParsers.wholeNumber(within: SettingKey.connectionRange))
        self.idleTimeoutSeconds = reader.required(
            .idleTimeout, SettingParsers.wholeNumber(within: SettingKey.secondsRange))
        self.requestTimeoutSeconds = reader.required(
            .requestTimeout, SettingParsers.wholeNumber(within: SettingKey.secondsRange))
        self.maxClients = reader.required(.maxClients, bound)
        self.maxTestsPerClient = reader.required(.maxTestsPerClient, bound)
        self.maxVariationsPerTest = reader.required(.maxVariationsPerTest, bound)
        self.maxEventsPerTest = reader.required(.maxEventsPerTest, bound)
        self.dedupeWindow = reader.required(
            .dedupeWindow, SettingParsers.duration(within: SettingKey.windowRange))
        self.dedupeMaxIDs = reader.required(
            .dedupeMaxIDs, SettingParsers.wholeNumber(within: SettingKey.maxIDsRange))
        self.effective = reader.effective
        self.warnings = warnings
        // A key without a field, or read twice, would be shown as effective and have no effect.
        assert(
            !reader.faults.isEmpty || reader.effective.map(\.key) == SettingKey.all,
            "every key of the table is read once, in its order")
    }

    /// The PEM files of HTTPS.
    public struct TLSFiles: Sendable, Equatable {
        public let certificate: String
        public let key: String

        /// Nil where one of them is missing.
        init?(certificate: String?, key: String?) {
            guard let certificate, let key else { return nil }
            self.certificate = certificate
            self.key = key
        }
    }

    private static func unknownKeyWarnings(entries: [DotEnv.Entry], path: String) -> [String] {
        let known = SettingKey.all.map(\.name)
        return entries.filter { !known.contains($0.key) }.map { entry in
            let near = Nearest.name(to: entry.key.uppercased(), among: known, within: 2)
            return "\(path) line \(entry.line): \(entry.key) is not a key of tally"
                + (near.map { "; did you mean \($0)?" } ?? ", and is ignored")
        }
    }
}
