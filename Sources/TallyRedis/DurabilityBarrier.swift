import NIOCore
import TallyCore

/// Waits until Redis would still know of pending entries after a crash: the store must not run ahead of it.
///
/// Not only for what this flush has sealed: entries also come from an hour that ended, a batch that was full, a greeting,
/// and a flusher that stopped before it could wait.
///
/// - With `appendfsync always` an answer means synced, so what can be read is durable.
/// - Redis 7.2 and later are asked to wait (WAITAOF, https://redis.io/docs/latest/commands/waitaof/).
/// - With `everysec` the sync follows within a second, or two where the disk is busy
///   (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/), so an entry is let go when it is old
///   enough by Redis' own clock.
/// - Without an append-only file there is nothing to wait for.
struct DurabilityBarrier {
    /// After this long, in seconds, a write is on disk with `everysec`; one more, since times of sealing are whole seconds.
    static let syncedAfterSeconds: Int64 = 2 + 1
    /// How long WAITAOF may take, in milliseconds.
    static let waitMilliseconds = 5_000

    let client: RedisClient
    let keys: RedisKeys

    func wait(for entries: [PendingEntry]) async throws {
        let info = try await self.client.command(["INFO", "persistence"]).text ?? ""
        guard PersistenceState(info).keepsAppendOnlyFile else { return }
        // Where it may not be asked, the slower assumption is the safe one.
        let fsync = await self.client.setting("appendfsync")
        if fsync == "always" { return }
        switch try await self.isSynced() {
        case true?: return
        // Where Redis leaves it to the system it never knows.
        case false? where fsync != "no":
            throw BufferError(
                .unavailable,
                "Redis has not synced its append-only file within \(Self.waitMilliseconds / 1_000) s; what is pending is "
                    + "flushed when it has. See whether its disk is full, or busy")
        default: try await self.waitUntilOld(entries)
        }
    }

    /// Nil where this Redis knows no such command; false where the sync did not come in time.
    private func isSynced() async throws -> Bool? {
        do {
            // WAITAOF waits for the last write of its own connection, and for nothing where that has written nothing. This
            // write comes after whatever could be read before. (Not one to the flush lock: that may be gone by now, or
            // another's.)
            _ = try await self.client.command(["HSET", self.keys.meta, "synced", String(Timestamp.now())])
            let reply = try await self.client.command(["WAITAOF", "1", "0", String(Self.waitMilliseconds)])
            return reply.array?.first == .integer(1)
        } catch let error as BufferError where error.code == .refused {
            return nil
        }
    }

    private func waitUntilOld(_ entries: [PendingEntry]) async throws {
        let now = try await self.client.command(["TIME"]).array?.first?.text.flatMap { Int64($0) } ?? 0
        var youngest: Int64?
        for case .batch(let id) in entries.reversed().prefix(1) {
            youngest = try await self.client.command(["HGET", self.keys.batch(id), "sealed_at"]).text.flatMap {
                Int64($0)
            }
        }
        // The end of an epoch carries no time, and a batch may be gone by now: then as if it were of this moment. A clock
        // that was set back must not make the wait longer than that.
        let age = max(0, now - (youngest ?? now))
        let seconds = Self.syncedAfterSeconds - age
        if seconds > 0 { try await Task.sleep(for: .seconds(seconds)) }
    }
}
