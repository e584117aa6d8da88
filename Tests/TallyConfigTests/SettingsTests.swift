import TallyAccess
import TallyCron
import Testing

@testable import TallyConfig

@Suite struct SettingsTests {
    @Test("without any source every key has its default")
    func defaults() throws {
        let settings = try load()
        #expect(settings.host == "127.0.0.1")
        #expect(settings.port == 8080)
        #expect(settings.redis == nil)
        #expect(settings.redisKeyPrefix == "tally")
        #expect(settings.mongoDBURI == nil)
        #expect(settings.dataDirectory == "./tally-data")
        #expect(settings.flushSchedule.text == "* * * * *")
        #expect(settings.trackAllowed.ranges.map(\.description) == ["127.0.0.0/8", "::1"])
        #expect(settings.readAllowed == settings.trackAllowed)
        #expect(settings.trustedProxies.ranges.isEmpty)
        #expect(settings.logLevel == .info)
        #expect(settings.logFormat == .text)
        #expect(settings.accessLog == nil)
        #expect(settings.accessLogEvery == 1)
        #expect(settings.maxClients == 10_000)
        #expect(settings.maxTestsPerClient == 1_000)
        #expect(settings.maxVariationsPerTest == 100)
        #expect(settings.maxEventsPerTest == 20)
        #expect(settings.dedupeWindow == .seconds(600))
        #expect(settings.dedupeMaxIDs == 1_000_000)
        #expect(settings.warnings.isEmpty)
        #expect(settings.effective.map(\.key) == SettingKey.all)
        #expect(settings.effective.allSatisfy { $0.origin == .standard })
    }

    @Test("every key reaches its field")
    func everyField() throws {
        let settings = try load(environment: [
            "HOST": "::", "PORT": "0", "REDIS_URL": "rediss://:p@r:1/2", "REDIS_CA_FILE": "ca.pem",
            "REDIS_KEY_PREFIX": "a.B-_9",
            "MONGODB_URI": "mongodb://m/db", "DATA_DIR": "/var/lib/my tally", "SPOOL_MAX_MB": "7",
            "FLUSH_SCHEDULE": "*/5 * * * *",
            "TRACK_ALLOWED_IPS": "10.0.0.0/8", "READ_ALLOWED_IPS": "10.1.0.0/16, ::1", "TRUSTED_PROXIES": "10.0.0.2",
            "TLS_CERT_FILE": "c.pem", "TLS_KEY_FILE": "/k.pem",
            "LOG_LEVEL": "WARNING", "LOG_FORMAT": "json", "ACCESS_LOG": "-", "ACCESS_LOG_EVERY": "100",
            "EVENT_LOOPS": "3", "MAX_CLIENTS": "1",
            "MAX_CONNECTIONS": "4", "IDLE_TIMEOUT_S": "5", "REQUEST_TIMEOUT_S": "6", "MAX_TESTS_PER_CLIENT": "2",
            "MAX_VARIATIONS_PER_TEST": "3", "MAX_EVENTS_PER_TEST": "1000000000",
            "DEDUPE_WINDOW": "90s", "DEDUPE_MAX_IDS": "1000",
        ])
        #expect(settings.host == "::")
        #expect(settings.port == 0)
        #expect(settings.redis == RedisURL(host: "r", port: 1, password: "p", database: 2, tls: true))
        #expect(settings.redisCAFile == "ca.pem")
        #expect(settings.redisKeyPrefix == "a.B-_9")
        #expect(settings.mongoDBURI?.text == "mongodb://m/db")
        #expect(settings.dataDirectory == "/var/lib/my tally")
        #expect(settings.spoolMaxMegabytes == 7)
        #expect(settings.flushSchedule.text == "*/5 * * * *")
        #expect(settings.trackAllowed.ranges.map(\.description) == ["10.0.0.0/8"])
        #expect(settings.readAllowed.ranges.map(\.description) == ["10.1.0.0/16", "::1"])
        #expect(settings.trustedProxies.ranges.map(\.description) == ["10.0.0.2"])
        #expect(settings.tls?.certificate == "c.pem")
        #expect(settings.tls?.key == "/k.pem")
        #expect(settings.logLevel == .warning)
        #expect(settings.logFormat == .json)
        #expect(settings.accessLog == "-")
        #expect(settings.accessLogEvery == 100)
        #expect(settings.eventLoops == 3)
        #expect(settings.maxConnections == 4)
        #expect(settings.idleTimeoutSeconds == 5)
        #expect(settings.requestTimeoutSeconds == 6)
        #expect(settings.maxClients == 1)
        #expect(settings.maxTestsPerClient == 2)
        #expect(settings.maxVariationsPerTest == 3)
        #expect(settings.maxEventsPerTest == 1_000_000_000)
        #expect(settings.dedupeWindow == .seconds(90))
        #expect(settings.dedupeMaxIDs == 1_000)
        #expect(settings.effective.allSatisfy { $0.origin == .environment })
    }

    // MARK: - Precedence

    @Test("a flag goes over the environment, the environment over .env, .env over the default")
    func precedence() throws {
        let all = [
            try load(flags: ["PORT": "1"], environment: ["PORT": "2"], file: "\nPORT=3"),
            try load(environment: ["PORT": "2"], file: "\nPORT=3"),
            try load(file: "\nPORT=3"),
            try load(),
        ]
        #expect(all.map(\.port) == [1, 2, 3, 8080])
        let origins = try all.map { try #require($0.effective.first { $0.key == .port }).origin.description }
        #expect(origins[0] == "flag --port")
        #expect(origins[1] == "environment")
        #expect(origins[2].hasSuffix(".env line 2"))
        #expect(origins[3] == "default")
    }

    @Test("a time is a whole number and its unit", arguments: [("60s", 60), ("1m", 60), ("24h", 86_400)])
    func durations(text: String, seconds: Int) throws {
        #expect(try load(environment: ["DEDUPE_WINDOW": text]).dedupeWindow == .seconds(seconds))
    }

    @Test("an empty value in the environment or in .env is as if it were not there")
    func emptyIsUnset() throws {
        #expect(try load(environment: ["PORT": ""], file: "PORT=3").port == 3)
        let settings = try load(
            environment: ["PORT": "", "REDIS_URL": ""], file: "PORT=\nREDIS_URL=''\nTRACK_ALLOWED_IPS=")
        #expect(settings.port == 8080)
        #expect(settings.redis == nil)
        #expect(settings.trackAllowed.ranges.count == 2)
        #expect(settings.effective.allSatisfy { $0.origin == .standard })
    }

    @Test("an empty TRUSTED_PROXIES means none, over what stands below it")
    func emptyProxies() throws {
        let settings = try load(environment: ["TRUSTED_PROXIES": ""], file: "TRUSTED_PROXIES=10.0.0.2")
        #expect(settings.trustedProxies.ranges.isEmpty)
        #expect(settings.effective.first { $0.key == .trustedProxies }?.origin == .environment)
    }

    @Test("an empty flag takes a URL away, and is refused where there must be a value")
    func emptyFlag() throws {
        let settings = try load(flags: ["REDIS_URL": ""], environment: ["REDIS_URL": "redis://h"])
        #expect(settings.redis == nil)
        #expect(settings.effective[2] == .init(key: .redisURL, shown: nil, origin: .flag("--redis-url")))
        let error = try #require(throws: SettingsError.self) { try load(flags: ["PORT": ""]) }
        #expect(error.description.contains("PORT (flag --port): is empty"))
    }

    @Test("a value that a better source overrules is not looked at")
    func overruled() throws {
        #expect(try load(flags: ["PORT": "1"], environment: ["PORT": "nonsense"], file: "PORT=x").port == 1)
    }

    // MARK: - What is wrong

    @Test(
        "a bad value is refused",
        arguments: [
            ("HOST", "my host", "neither an address nor a host name"),
            ("HOST", "[::1]", "has brackets"),
            ("HOST", "::x", "neither an address nor a host name"),
            ("HOST", "1.2.3.4.5", "neither an address nor a host name"),
            ("PORT", "8x80", "\"8x80\" is not a whole number"),
            ("PORT", " 8080", "\" 8080\" is not a whole number"),
            ("PORT", "-1", "not a whole number"),
            ("PORT", "+1", "not a whole number"),
            ("PORT", "080", "not a whole number"),
            ("PORT", "8_080", "not a whole number"),
            ("PORT", "65536", "not within 0 to 65535"),
            ("PORT", "99999999999999999999", "not a whole number"),
            ("PORT", "8080\n", "line break"),
            ("REDIS_KEY_PREFIX", "{a}", "not allowed"),
            ("REDIS_KEY_PREFIX", "a:b", "not allowed"),
            ("REDIS_KEY_PREFIX", "é", "not allowed"),
            ("REDIS_KEY_PREFIX", String(repeating: "a", count: 65), "longer than 64"),
            ("DATA_DIR", "~/tally", "begins with ~"),
            ("DATA_DIR", "tally ", "space at an end"),
            ("DATA_DIR", "redis://:hunter2@h", "holds a URL"),
            ("FLUSH_SCHEDULE", "often", "often"),
            ("TRACK_ALLOWED_IPS", "10.0.0.0/99", "10.0.0.0/99"),
            ("READ_ALLOWED_IPS", "10.0.0.0/99", "10.0.0.0/99"),
            ("TRUSTED_PROXIES", "10.0.0.0/99", "10.0.0.0/99"),
            ("LOG_LEVEL", "warnin", "did you mean warning?"),
            ("LOG_LEVEL", "loud", "\"loud\" is unknown"),
            ("LOG_FORMAT", "xml", "\"xml\" is unknown"),
            ("MAX_CLIENTS", "0", "not within 1 to 1000000000"),
            ("MAX_TESTS_PER_CLIENT", "1000000001", "not within 1 to 1000000000"),
            ("MAX_VARIATIONS_PER_TEST", "1e3", "not a whole number"),
            ("MAX_EVENTS_PER_TEST", "20.0", "not a whole number"),
            ("DEDUPE_WINDOW", "600", "with its unit"), ("DEDUPE_WINDOW", "1.5h", "with its unit"),
            ("DEDUPE_WINDOW", "10 m", "with its unit"), ("DEDUPE_WINDOW", "10M", "with its unit"),
            ("DEDUPE_WINDOW", "m", "with its unit"), ("DEDUPE_WINDOW", "-1m", "with its unit"),
            ("DEDUPE_WINDOW", "0m", "shorter or longer"), ("DEDUPE_WINDOW", "59s", "shorter or longer"),
            ("DEDUPE_WINDOW", "25h", "shorter or longer"),
            ("DEDUPE_WINDOW", "9223372036854775807h", "shorter or longer"),
            ("DEDUPE_MAX_IDS", "0", "not within 1000 to 100000000"),
        ])
    func badValues(key: String, value: String, words: String) throws {
        let error = try #require(throws: SettingsError.self) { try load(environment: [key: value]) }
        #expect(error.faults.map(\.key) == [SettingKey(rawValue: key)])
        #expect(error.description.contains("\(key) (environment): "), "\(error)")
        #expect(error.description.contains(words), "\(error)")
        #expect(!error.description.contains("hunter2"), "\(error)")
        #expect(error.description.contains("allowed: \(try #require(SettingKey(rawValue: key)).details.allowed)"))
    }

    @Test("every bad key of every source is reported at once, beside bad lines of the file, and no secret is")
    func allAtOnce() throws {
        let bad = [
            "HOST": "a b", "REDIS_URL": "redis://:hunter2@h:x", "REDIS_CA_FILE": "~/ca", "REDIS_KEY_PREFIX": "{",
            "DATA_DIR": "~", "SPOOL_MAX_MB": "0",
            "FLUSH_SCHEDULE": "x", "TRACK_ALLOWED_IPS": "10.0.0.0/99", "READ_ALLOWED_IPS": "10.0.0.0/99",
            "TRUSTED_PROXIES": "10.0.0.0/99", "TLS_CERT_FILE": "~/c", "TLS_KEY_FILE": "~/k", "LOG_LEVEL": "x",
            "LOG_FORMAT": "x", "ACCESS_LOG": "~/log", "ACCESS_LOG_EVERY": "0", "EVENT_LOOPS": "0",
            "MAX_CONNECTIONS": "0", "IDLE_TIMEOUT_S": "x", "REQUEST_TIMEOUT_S": "-1", "MAX_TESTS_PER_CLIENT": "x",
            "MAX_VARIATIONS_PER_TEST": "x", "MAX_EVENTS_PER_TEST": "x", "DEDUPE_WINDOW": "x", "DEDUPE_MAX_IDS": "x",
        ]
        let error = try #require(throws: SettingsError.self) {
            try load(
                flags: ["PORT": "x", "COLOUR": "hunter2"], environment: bad,
                file: "MONGODB_URI=mysql://user:hunter2@h\nPASSWORD='hunter2\nMAX_CLIENTS=x\n")
        }
        #expect(error.faults.compactMap(\.key) == SettingKey.all)
        #expect(error.faults.count == SettingKey.all.count + 2)
        for words in [
            "the configuration has \(SettingKey.all.count + 2) faults", ".env line 2: the single quote",
            "flag COLOUR: is not a setting",
            "PORT (flag --port): ", "REDIS_URL (environment): ", "MAX_CLIENTS (", ".env line 3): ", ".env line 1): ",
        ] {
            #expect(error.description.contains(words), "\(words) in \(error)")
        }
        #expect(!renderings(of: error).contains { $0.contains("hunter2") }, "\(error)")
    }

    @Test("a certificate without its key, and a key without its certificate, are refused")
    func halfOfTLS() throws {
        for (given, missing) in [("TLS_CERT_FILE", "TLS_KEY_FILE"), ("TLS_KEY_FILE", "TLS_CERT_FILE")] {
            let error = try #require(throws: SettingsError.self) { try load(environment: [given: "a.pem"]) }
            #expect(error.faults.map(\.key) == [SettingKey(rawValue: given)])
            #expect(
                error.description.contains("\(given) (environment): is set without \(missing); set both, or neither"))
        }
        #expect(try load().tls == nil)
    }

    @Test("a control character in a value does not reach the terminal")
    func escapedInErrors() throws {
        let error = try #require(throws: SettingsError.self) {
            try load(
                flags: ["LOG_LEVEL": "a\"b" + String(repeating: "c", count: 100)], environment: ["HOST": "\u{1B}[31m"])
        }
        #expect(!error.description.contains("\u{1B}"))
        #expect(error.description.contains("c…\""))
        #expect(!error.description.contains(String(repeating: "c", count: 70)))
    }

    // MARK: - The file

    @Test("unknown keys of the file are warnings, with what was probably meant")
    func unknownKeys() throws {
        let settings = try load(file: "PROT=hunter2\nport=1\nRAILS_ENV=hunter2\nMONGO_URI=x\nLOGLEVEL=x")
        #expect(settings.port == 8080)
        let warnings = settings.warnings.map { warning in
            warning[(warning.range(of: ".env line ")?.upperBound ?? warning.startIndex)...]
        }
        #expect(
            warnings == [
                "1: PROT is not a key of tally; did you mean PORT?",
                "2: port is not a key of tally; did you mean PORT?",
                "3: RAILS_ENV is not a key of tally, and is ignored",
                "4: MONGO_URI is not a key of tally; did you mean MONGODB_URI?",
                "5: LOGLEVEL is not a key of tally; did you mean LOG_LEVEL?",
            ])
    }

    @Test("where the configuration has faults too, the warnings stand below them")
    func unknownKeysBesideFaults() throws {
        let error = try #require(throws: SettingsError.self) { try load(file: "PROT=9000\nMAX_CLIENTS=x") }
        #expect(error.faults.map(\.key) == [.maxClients])
        #expect(error.warnings.count == 1)
        let text = error.description
        #expect(text.hasPrefix("the configuration has a fault\n  MAX_CLIENTS ("), "\(text)")
        #expect(
            text.contains("\n  warning: ") && text.hasSuffix("PROT is not a key of tally; did you mean PORT?"),
            "\(text)")
    }

    @Test("unknown names in the environment are nobody's business")
    func unknownEnvironment() throws {
        #expect(try load(environment: ["PROT": "1", "port": "2"]).warnings.isEmpty)
        #expect(try load(environment: ["port": "2"]).port == 8080)
    }

    @Test("a missing .env is fine, a missing named file is not")
    func missingFile() throws {
        try withFolder { folder in
            #expect(try Settings.load(flags: [:], environment: [:], envFile: .inFolder(folder)).port == 8080)
            let error = try #require(throws: SettingsError.self) {
                try Settings.load(flags: ["PORT": "x"], environment: [:], envFile: .named(path: folder + "/prod.env"))
            }
            #expect(error.faults.count == 2)
            #expect(error.description.contains(folder + "/prod.env: cannot be read: No such file or directory"))
        }
    }

    @Test("a named file is read, and its path is the source that is shown")
    func namedFile() throws {
        try withFolder { folder in
            let path = folder + "/prod.env"
            try write("# ours\r\nPORT=9\r\n", to: path)
            let settings = try Settings.load(flags: [:], environment: [:], envFile: .named(path: path))
            #expect(settings.port == 9)
            #expect(settings.effective[1] == .init(key: .port, shown: "9", origin: .envFile(path: path, line: 2)))
        }
    }

    @Test("a folder in place of the file, and a file that is far too large, are errors")
    func unreadableFile() throws {
        try withFolder { folder in
            let error = try #require(throws: SettingsError.self) {
                try Settings.load(flags: [:], environment: [:], envFile: .named(path: folder))
            }
            #expect(error.description.contains("cannot be read: Is a directory"))
            try write(String(repeating: "#", count: EnvFile.maximumBytes + 1), to: folder + "/.env")
            #expect(throws: SettingsError.self) {
                try Settings.load(flags: [:], environment: [:], envFile: .inFolder(folder))
            }
            try write(String(repeating: "#", count: EnvFile.maximumBytes), to: folder + "/.env")
            #expect(try Settings.load(flags: [:], environment: [:], envFile: .inFolder(folder)).port == 8080)
        }
    }

    @Test("the file in the working folder is called .env in messages")
    func fileNames() {
        #expect(EnvFile.inWorkingFolder.path == ".env")
        #expect(EnvFile.inFolder("/etc/tally").path == "/etc/tally/.env")
        #expect(EnvFile.inFolder("/").path == "/.env")
        #expect(EnvFile.named(path: "prod.env").path == "prod.env")
    }

    // MARK: - Showing it

    @Test("the table shows key, value and source, and the warnings")
    func table() throws {
        let table = try load(flags: ["PORT": "1"], file: "PROT=2").renderTable()
        let lines = table.split(separator: "\n")
        #expect(lines.count == 1 + SettingKey.all.count + 1)
        #expect(lines[0].hasPrefix("KEY                      VALUE"))
        #expect(lines[2].split(separator: " ") == ["PORT", "1", "flag", "--port"])
        #expect(lines[3].contains("(unset: the embedded buffer, in DATA_DIR)"))
        #expect(lines[12].split(separator: " ") == ["TRUSTED_PROXIES", "(none)", "default"])
        #expect(
            lines[1 + SettingKey.all.count].hasPrefix("warning: ")
                && lines[1 + SettingKey.all.count].hasSuffix("did you mean PORT?"))
        #expect(table.hasSuffix("\n"))
    }

    @Test("the JSON holds the same, with null for what is unset")
    func json() throws {
        let json = try load(environment: ["DATA_DIR": "/a \"b\\c"]).renderJSON()
        #expect(json.hasPrefix(#"{"settings":[{"key":"HOST","value":"127.0.0.1","from":"default"},{"key":"PORT","#))
        #expect(json.contains(#"{"key":"REDIS_URL","value":null,"from":"default"}"#))
        #expect(json.contains(#"{"key":"DATA_DIR","value":"/a \"b\\c","from":"environment"}"#))
        #expect(json.hasSuffix("],\"warnings\":[]}\n"))
    }

    @Test("a password appears in no rendering")
    func passwords() throws {
        let settings = try load(
            flags: ["MONGODB_URI": "mongodb://user:hunter2@h/db?tlsCertificateKeyFilePassword=hunter2"],
            environment: ["REDIS_URL": "rediss://user:hunter2@h"],
            file: "PASSWORD=hunter2\nREDIS_URL=redis://:hunter2@h")
        #expect(settings.redis?.password == "hunter2")
        let shown = renderings(of: settings) + [settings.renderTable(), settings.renderJSON()]
        #expect(shown.allSatisfy { !$0.contains("hunter2") })
        #expect(settings.renderTable().contains("rediss://user:***@h:6379/0"))
        #expect(settings.renderTable().contains("mongodb://user:***@h/db?tlsCertificateKeyFilePassword=***"))
    }

    // MARK: - The table

    @Test("flags are named after their keys")
    func flags() {
        #expect(SettingKey.port.flag == "--port")
        #expect(SettingKey.redisURL.flag == "--redis-url")
        #expect(SettingKey.maxTestsPerClient.flag == "--max-tests-per-client")
    }

    @Test("every example and every default in the table is a value that is taken", arguments: SettingKey.all)
    func examples(key: SettingKey) throws {
        var flags = [key.name: key.details.example]
        // These two are taken together only.
        if [.tlsCertificateFile, .tlsKeyFile].contains(key) {
            for half: SettingKey in [.tlsCertificateFile, .tlsKeyFile] { flags[half.name] = half.details.example }
        }
        #expect(try load(flags: flags).effective.count == SettingKey.all.count)
        if case .value(let text) = key.details.standard {
            #expect(try load(flags: [key.name: text]).effective.first { $0.key == key }?.shown == text)
        }
    }

    @Test(
        "the edit distance is Levenshtein's",
        arguments: [
            ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("PORT", "PORT", 0), ("PROT", "PORT", 2),
            ("kitten", "sitting", 3),
            ("PORTS", "PORT", 1),
        ])
    func distance(left: String, right: String, distance: Int) {
        #expect(Nearest.editDistance(Array(left.utf8), Array(right.utf8)) == distance)
    }
}
