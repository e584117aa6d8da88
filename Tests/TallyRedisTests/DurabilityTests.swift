import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyRedis

/// What is waited for, so that neither a torn file nor a store that ran ahead can make a count wrong.
@Suite(.serverLogs) struct DurabilityTests {
    private func buffer(_ redis: RedisServer) -> RedisBuffer {
        RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port), keyPrefix: "tally", bounds: .standard,
            owner: "mongodb", eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            logger: .silent)
    }

    /// Counts by hand, as the script would.
    private func count(in redis: RedisServer) async throws {
        try await redis.command(["HSET", "{tally}:live", "hour", "498000", "total", "1", "acme\tcta\tB\tview", "1"])
    }

    private func persistence(_ redis: RedisServer, _ field: String) async throws -> String? {
        let info = try await redis.command(["INFO", "persistence"]).text ?? ""
        return info.split(separator: "\r\n").first { $0.hasPrefix("\(field):") }.map {
            String($0.dropFirst(field.count + 1))
        }
    }

    @Test("with everysec, pending batches are given out when they are old enough to be on disk, whoever sealed them")
    func everySecond() async throws {
        let redis = try await RedisServer.start(appendfsync: .everysec)
        let (sealing, flushing) = (self.buffer(redis), self.buffer(redis))
        try await sealing.ping()
        try await self.count(in: redis)
        // Sealed by one that stops at once; the other finds the batch and nothing to seal.
        try await sealing.seal()
        let entries = try await flushing.pending()
        let now = try #require(try await redis.command(["TIME"]).array?.first?.text.flatMap { Int64($0) })
        guard case .batch(let id) = entries.first else { throw TestSupportError("no batch: \(entries)") }
        let batch = try #require(try await flushing.read(id))
        #expect(now >= batch.sealedAt + DurabilityBarrier.syncedAfterSeconds)
        await sealing.shutdown()
        await flushing.shutdown()
    }

    private func calls(of command: String, in redis: RedisServer) async throws -> Int {
        let info = try await redis.command(["INFO", "commandstats"]).text ?? ""
        let line = info.split(separator: "\r\n").first { $0.hasPrefix("cmdstat_\(command):calls=") }
        return line.flatMap { Int($0.split(separator: "=")[1].prefix { $0.isNumber }) } ?? 0
    }

    @Test(
        "a server that can say when it has synced is asked; and waited for by the clock where it leaves that to the system",
        arguments: [(RedisServer.Fsync.everysec, 0), (.off, 1)])
    func waitaof(_ fsync: RedisServer.Fsync, _ looksAtTheClock: Int) async throws {
        let redis = try await RedisServer.start(.valkey91, appendfsync: fsync)
        let (sealing, flushing) = (self.buffer(redis), self.buffer(redis))
        try await sealing.ping()
        try await self.count(in: redis)
        try await sealing.seal()
        let before = try await self.calls(of: "time", in: redis)
        // This connection has written nothing before.
        #expect(try await flushing.pending().count == 1)
        #expect(try await self.calls(of: "waitaof", in: redis) == 1)
        #expect(try await self.calls(of: "time", in: redis) == before + looksAtTheClock)
        for buffer in [sealing, flushing] { await buffer.shutdown() }
    }

    @Test("what a server says that it has not synced is not given out")
    func unsynced() async throws {
        let redis = try await ScriptedRedis.start { _, command in
            switch command {
            case "EVAL": .reply("*3\r\n$16\r\n00000000000000ab\r\n$4\r\nkept\r\n$0\r\n\r\n")
            case "LRANGE": .reply("*1\r\n$24\r\nbatch:00000000000000ab:1\r\n")
            case "INFO": .reply("$15\r\naof_enabled:1\r\n\r\n")
            case "CONFIG": .reply("*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n")
            case "HSET": .reply(":1\r\n")
            case "WAITAOF": .reply("*2\r\n:0\r\n:0\r\n")
            default: .reply("+OK\r\n")
            }
        }
        let buffer = RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port), keyPrefix: "tally", bounds: .standard,
            owner: "mongodb", eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: .silent)
        let failure = await #expect(throws: BufferError.self) { try await buffer.pending() }
        #expect(failure?.code == .unavailable)
        #expect(failure?.description.contains("disk") == true, "\(failure as Any)")
        await buffer.shutdown()
        try await redis.stop()
    }

    @Test("after a restart the append-only file is written anew before anything is counted")
    func rewritten() async throws {
        let redis = try await RedisServer.start(appendfsync: .always)
        let first = self.buffer(redis)
        try await first.ping()
        try await self.count(in: redis)
        let before = try #require(redis.appendOnlyFile).lastPathComponent
        await first.shutdown()
        try await redis.kill()
        try await redis.restart()
        #expect(redis.appendOnlyFile?.lastPathComponent == before)

        let second = self.buffer(redis)
        // Greets, and is answered when the file is new.
        try await second.ping()
        #expect(redis.appendOnlyFile?.lastPathComponent != before)
        #expect(try await self.persistence(redis, "aof_last_bgrewrite_status") == "ok")
        #expect(try await redis.command(["HEXISTS", "{tally}:meta", "rewrite"]) == .integer(0))
        #expect(try await second.pending().count == 2)
        await second.shutdown()
    }

    @Test("who asks while the file is written anew is told so after a while, and not kept until it is done")
    func rewriting() async throws {
        let redis = try await RedisServer.start(appendfsync: .always)
        let first = self.buffer(redis)
        try await first.ping()
        try await self.count(in: redis)
        // A rewrite takes this long for each key, in microseconds.
        try await redis.command(["CONFIG", "SET", "rdb-key-save-delay", "10000000"])
        // As if it had been promoted.
        try await redis.command(["HSET", "{tally}:meta", "replid", "another"])
        let second = self.buffer(redis)
        let failure = await #expect(throws: BufferError.self) { try await second.ping() }
        #expect(failure?.code == .unavailable)
        #expect(failure?.description.contains("append-only file") == true, "\(failure as Any)")
        // Stopping waits for nothing either.
        let waiting = Task { try await second.ping() }
        await second.shutdown()
        await #expect(throws: BufferError.self) { try await waiting.value }
        await first.shutdown()
    }

    @Test("a Redis that does not allow the rewrite is used all the same")
    func forbidden() async throws {
        let redis = try await RedisServer.start(appendfsync: .always, extra: ["--rename-command", "BGREWRITEAOF", ""])
        let first = self.buffer(redis)
        try await first.ping()
        try await self.count(in: redis)
        await first.shutdown()
        try await redis.kill()
        try await redis.restart()
        let second = self.buffer(redis)
        try await second.ping()
        #expect(try await second.pending().count == 2)
        await second.shutdown()
    }

    @Test("a Redis that accepts a connection and says nothing is given up after a while")
    func silent() async throws {
        let redis = try await RedisServer.start()
        redis.pause()
        let buffer = self.buffer(redis)
        let failure = await #expect(throws: BufferError.self) { try await buffer.ping() }
        #expect(failure?.code == .unavailable)
        redis.resume()
        try await buffer.ping()
        await buffer.shutdown()
    }

    @Test("what Redis says of its persistence is understood")
    func states() {
        let state = PersistenceState(
            "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:1\r\naof_last_bgrewrite_status:ok\r\n")
        #expect(state.keepsAppendOnlyFile && state.isRewriting && state.lastRewriteSucceeded)
        let failed = PersistenceState(
            "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_bgrewrite_status:err\r\n"
        )
        #expect(failed.keepsAppendOnlyFile && !failed.isRewriting && !failed.lastRewriteSucceeded)
        #expect(!PersistenceState("aof_enabled:0\r\n").keepsAppendOnlyFile)
    }
}
