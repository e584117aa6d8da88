public import Logging
public import NIOCore
public import TallyConfig
import TallyCore
import TallySQLite

/// `tally check`: looks at everything that the promise of a count stands on, and says what is unsafe.
public enum Checkup {
    /// Looks at settings, files, and the servers that the settings name. What cannot be reached is a finding, too.
    /// - Throws: `StartError` or `StoreError`, where a setting is wrong, so that nothing can be opened.
    public static func run(_ settings: Settings, eventLoop: any EventLoop, logger: Logger) async throws -> [Finding] {
        let envFile = settings.effective.lazy.compactMap { setting -> String? in
            if case .envFile(let path, _) = setting.origin { path } else { nil }
        }.first
        var findings = CheckRules.settings(settings, envFileMode: envFile.flatMap(FileMode.of))
        if let facts = DataDirectoryFacts(settings.dataDirectory) { findings += CheckRules.dataDirectory(facts) }

        if settings.redis == nil, settings.mongoDBURI == nil, !EmbeddedDatabase.exists(in: settings.dataDirectory) {
            findings.append(
                Finding(
                    .note, "files",
                    "there is no embedded file yet in \(settings.dataDirectory); the first start makes it"))
            return findings
        }
        do {
            let storage = try Storage(settings, opensSpool: false, eventLoop: eventLoop, logger: logger)
            findings += await storage.findings(settings)
            await storage.shutdown()
        } catch let error as EmbeddedDatabaseError {
            findings.append(
                Finding(.unreachable, "files", "\(error)", means: "the service would not start with these settings"))
        }
        return findings
    }
}

extension Storage {
    /// What the servers and the file say of themselves.
    fileprivate func findings(_ settings: Settings) async -> [Finding] {
        var findings: [Finding] = []
        if let redis, let endpoint = settings.redis {
            findings += await Self.attempt(
                "Redis", means: "counts go to the spool of each instance, until that is full"
            ) {
                CheckRules.redis(try await redis.inspect(clock: Timestamp.precisely), at: endpoint.description)
            }
        }
        if let mongo, let uri = settings.mongoDBURI {
            findings += await Self.attempt("MongoDB", means: "nothing is flushed; counts wait in the buffer") {
                CheckRules.mongoDB(try await mongo.inspect(clock: Timestamp.precisely), at: uri.redacted)
                    + CheckRules.deadLetters(try await mongo.deadLetters())
                    + CheckRules.stuckEpochs(try await mongo.stuckEpochs())
            }
        }
        if let path = self.embeddedPath {
            findings += await Self.attempt("files", means: "nothing can be counted in it") {
                try await self.buffers.last?.ping()
                return [Finding(.fine, "files", "\(path) is whole and can be written to")]
            }
        }
        return findings
    }

    private static func attempt(
        _ subject: String, means consequence: String, _ body: () async throws -> [Finding]
    ) async -> [Finding] {
        do {
            return try await body()
        } catch {
            return [Finding(.unreachable, subject, "\(error)", means: consequence)]
        }
    }
}
