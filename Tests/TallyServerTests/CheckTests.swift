import Foundation
import TallyConfig
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyMongo
@testable import TallyRedis
@testable import TallyServer

@Suite("What tally check takes for unsafe")
struct CheckRulesTests {
    /// A Redis as it should be.
    private let redis = RedisInspection(
        version: "7.0.15", role: "master", keepsAppendOnlyFile: true, appendfsync: "always", lastAppendSucceeded: true,
        lastRewriteSucceeded: true, maxmemoryPolicy: "noeviction", maxmemory: 0, usedMemory: 1_000_000, replicas: 0,
        minReplicasToWrite: 0, clockAheadSeconds: 0.01, pendingEntries: 0)
    private let mongo = MongoInspection(
        version: "6.0.5", replicaSet: "rs0", members: 3, clockAheadSeconds: 0, majorityFault: nil)

    private func unsafe(_ findings: [Finding]) -> [String] {
        for finding in findings where finding.severity == .unsafe {
            #expect(
                finding.consequence != nil && finding.mend != nil, "\(finding.what) says what it means and what to do")
        }
        return findings.filter { $0.severity == .unsafe }.map(\.what)
    }

    @Test("servers as they should be are fine")
    func fine() {
        #expect(CheckRules.redis(self.redis, at: "redis").allSatisfy { $0.severity == .fine })
        #expect(CheckRules.mongoDB(self.mongo, at: "mongo").allSatisfy { $0.severity == .fine })
    }

    @Test("a Redis that could lose counts is said, each way with its own words")
    func redisRisks() {
        func with(_ change: (inout RedisInspection) -> Void) -> [String] {
            var changed = self.redis
            change(&changed)
            return self.unsafe(CheckRules.redis(changed, at: "redis"))
        }
        #expect(with { $0.keepsAppendOnlyFile = false }.first?.contains("no append-only file") == true)
        #expect(with { $0.appendfsync = "no" }.count == 1)
        #expect(with { $0.appendfsync = "everysec" }.isEmpty)
        #expect(with { $0.maxmemoryPolicy = "allkeys-lru" }.first?.contains("allkeys-lru") == true)
        #expect(with { $0.role = "slave" }.first?.contains("replica") == true)
        #expect(with { $0.clockAheadSeconds = -3600 }.first?.contains("3600 s behind") == true)
        #expect(with { ($0.maxmemory, $0.usedMemory) = (100, 81) }.first?.contains("81 %") == true)
        #expect(with { $0.lastAppendSucceeded = false }.count == 1)
        #expect(with { $0.lastRewriteSucceeded = false }.count == 1)
    }

    @Test("a MongoDB whose majority does not confirm is unsafe, one of few members is noted")
    func mongoRisks() {
        var changed = self.mongo
        changed.majorityFault = "waiting for replication timed out"
        #expect(self.unsafe(CheckRules.mongoDB(changed, at: "mongo")).count == 1)
        changed = self.mongo
        (changed.replicaSet, changed.members) = (nil, 1)
        #expect(CheckRules.mongoDB(changed, at: "mongo").contains { $0.severity == .note })
        #expect(self.unsafe(CheckRules.deadLetters([])).isEmpty)
    }

    @Test("an epoch that nobody will end is noted, with the way to end it")
    func stuckEpochs() {
        #expect(CheckRules.stuckEpochs([]).isEmpty)
        let found = CheckRules.stuckEpochs([
            StuckEpoch(epoch: Epoch(0xAB), origin: .buffer("spool"), begun: 7),
            StuckEpoch(epoch: Epoch(1), origin: .file("import at 2026-11-22T10:00:00Z"), begun: 2),
        ])
        #expect(found.map(\.severity) == [.note, .note])
        #expect(found[0].what.contains("00000000000000ab:7 (spool)"))
        #expect(
            found[0].mend?.contains(
                #"updateOne({_id: "00000000000000ab"}, {$set: {lastNumber: NumberLong("7")}})"#) == true)
        #expect(found[1].what.contains("import at 2026-11-22T10:00:00Z: begun and not finished"))
    }

    @Test("a list that lets everybody in, and a password that everybody may read, are said")
    func settingRisks() throws {
        let folder = try TemporaryDirectory("check")
        let file = folder.url.appendingPathComponent(".env")
        try Data("REDIS_URL=redis://:secret@localhost\nTRACK_ALLOWED_IPS=0.0.0.0/0\nTRUSTED_PROXIES=::/0\n".utf8)
            .write(to: file)
        let settings = try Settings.load(flags: [:], environment: [:], envFile: .named(path: file.path))
        let open = self.unsafe(CheckRules.settings(settings, envFileMode: 0o644))
        #expect(open.count == 3)
        #expect(open.contains { $0.contains("REDIS_URL") && !$0.contains("secret") })
        #expect(self.unsafe(CheckRules.settings(settings, envFileMode: 0o600)).count == 2)
    }

    @Test("files that others may read are said, unless their folder keeps others out")
    func files() throws {
        let folder = try TemporaryDirectory("check")
        let path = folder.url.appendingPathComponent("data").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        #expect(FileManager.default.createFile(atPath: "\(path)/tally.sqlite", contents: Data()))
        func found(folder: Int, file: Int) throws -> [DataDirectoryFacts.OpenFile] {
            try FileManager.default.setAttributes([.posixPermissions: file], ofItemAtPath: "\(path)/tally.sqlite")
            try FileManager.default.setAttributes([.posixPermissions: folder], ofItemAtPath: path)
            return try #require(DataDirectoryFacts(path)).openToOthers
        }
        #expect(try found(folder: 0o755, file: 0o644).map(\.mode) == ["644"])
        #expect(try found(folder: 0o700, file: 0o644) == [])
        #expect(try found(folder: 0o777, file: 0o600).map(\.isWritable) == [true])
        #expect(try #require(DataDirectoryFacts(path + "/not/there")).freeBytes > 0)
    }
}

extension EndToEnd {
    @Suite struct Checks {
        @Test(
            "real servers as they should be pass; a Redis without an append-only file does not; one that is away is said"
        )
        func command() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let good = try await TallyProcess.run(["check"], settings: deployment.settings())
            #expect(good.exit == .code(0), "\(good.output)")
            #expect(good.output.contains("appendfsync always") && good.output.contains("a majority confirms writes"))

            let forgetful = try await RedisServer.start(appendfsync: nil, extra: ["--maxmemory-policy", "allkeys-lru"])
            var settings = deployment.settings()
            settings["REDIS_URL"] = forgetful.url
            let bad = try await TallyProcess.run(["check"], settings: settings)
            #expect(bad.exit == .code(1))
            #expect(bad.output.contains("appendonly yes") && bad.output.contains("maxmemory-policy noeviction"))
            #expect(bad.output.contains("2 unsafe"))

            try await forgetful.kill()
            let away = try await TallyProcess.run(["check"], settings: settings)
            #expect(away.exit == .code(69))
            #expect(away.output.contains("cannot reach Redis"))
        }
    }
}
