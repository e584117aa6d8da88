import ArgumentParser
import Logging
import TallyConfig
import TallyCore
import TallyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The settings as flags, the same for every command. The table of settings is TallyConfig's; a flag is the key in
/// lower case with hyphens.
struct SettingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read this file instead of .env.", valueName: "path"), completion: .file())
    var envFile: String?

    @Option(help: "Where to listen.") var host: String?
    @Option(help: "Where to listen.") var port: String?
    @Option(help: "Buffer; without it, embedded.") var redisURL: String?
    @Option(name: .customLong("redis-ca-file"), help: "Certificates to trust for rediss://.") var redisCAFile: String?
    @Option(help: "What every key in Redis begins with.") var redisKeyPrefix: String?
    @Option(name: .customLong("mongodb-uri"), help: "Store; without it, embedded.") var mongoDBURI: String?
    @Option(help: "Folder of the embedded files.", completion: .directory) var dataDir: String?
    @Option(name: .customLong("spool-max-mb"), help: "How large the spool may grow.") var spoolMaxMB: String?
    @Option(help: "When to flush: crontab fields, UTC.") var flushSchedule: String?
    @Option(name: .customLong("track-allowed-ips"), help: "Who may call /track.") var trackAllowedIPs: String?
    @Option(name: .customLong("read-allowed-ips"), help: "Who may read.") var readAllowedIPs: String?
    @Option(help: "Whose X-Forwarded-For is believed.") var trustedProxies: String?
    @Option(name: .customLong("tls-cert-file"), help: "Certificate; with it, HTTPS.") var tlsCertFile: String?
    @Option(name: .customLong("tls-key-file"), help: "The certificate's key.") var tlsKeyFile: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel: String?
    @Option(help: "text or json.") var logFormat: String?
    @Option(help: "A line for each request, to this file; - for standard output.") var accessLog: String?
    @Option(help: "One line for so many requests.") var accessLogEvery: String?
    @Option(help: "How many threads take requests.") var eventLoops: String?
    @Option(help: "How many connections may be open.") var maxConnections: String?
    @Option(help: "Seconds that a connection may be idle.") var idleTimeoutS: String?
    @Option(help: "Seconds that a request may take to arrive.") var requestTimeoutS: String?
    @Option(help: "Bound on names.") var maxClients: String?
    @Option(help: "Bound on names.") var maxTestsPerClient: String?
    @Option(help: "Bound on names.") var maxVariationsPerTest: String?
    @Option(help: "Bound on names.") var maxEventsPerTest: String?
    @Option(help: "How long an eventID is remembered: 90s, 10m, 1h.") var dedupeWindow: String?
    @Option(name: .customLong("dedupe-max-ids"), help: "Bound on eventIDs.") var dedupeMaxIDs: String?

    /// - Throws: `SettingsError`.
    func load() throws(SettingsError) -> Settings {
        let given: [(SettingKey, String?)] = [
            (.host, self.host), (.port, self.port), (.redisURL, self.redisURL),
            (.redisCAFile, self.redisCAFile), (.redisKeyPrefix, self.redisKeyPrefix),
            (.mongoDBURI, self.mongoDBURI), (.dataDirectory, self.dataDir),
            (.spoolMaxMegabytes, self.spoolMaxMB), (.flushSchedule, self.flushSchedule),
            (.trackAllowedIPs, self.trackAllowedIPs), (.readAllowedIPs, self.readAllowedIPs),
            (.trustedProxies, self.trustedProxies), (.tlsCertificateFile, self.tlsCertFile),
            (.tlsKeyFile, self.tlsKeyFile), (.logLevel, self.logLevel), (.logFormat, self.logFormat),
            (.accessLog, self.accessLog), (.accessLogEvery, self.accessLogEvery),
            (.eventLoops, self.eventLoops), (.maxConnections, self.maxConnections),
            (.idleTimeout, self.idleTimeoutS), (.requestTimeout, self.requestTimeoutS),
            (.maxClients, self.maxClients),
            (.maxTestsPerClient, self.maxTestsPerClient),
            (.maxVariationsPerTest, self.maxVariationsPerTest), (.maxEventsPerTest, self.maxEventsPerTest),
            (.dedupeWindow, self.dedupeWindow), (.dedupeMaxIDs, self.dedupeMaxIDs),
        ]
        var flags: [String: String] = [:]
        for (key, value) in given { flags[key.rawValue] = value }
        return try Settings.load(
            flags: flags, environment: Environment.current,
            envFile: self.envFile.map { .named(path: $0) } ?? .inWorkingFolder)
    }
}

enum Environment {
    /// The environment of this process.
    static var current: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return variables
    }
}

extension Logger {
    /// The one logger of a command.
    init(_ settings: Settings) {
        let level = Logger.Level(rawValue: settings.logLevel.rawValue) ?? .info
        self.init(label: "tally") { _ in LineLogHandler(format: settings.logFormat, level: level) }
    }
}
