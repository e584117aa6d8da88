import TallyCore

/// What a Redis says of itself, as far as the promise of a count depends on it.
public struct RedisInspection: Sendable, Equatable {
    /// `7.0.15`.
    public var version: String
    /// `master` or `slave`, in Redis' words.
    public var role: String
    public var keepsAppendOnlyFile: Bool
    /// `always`, `everysec` or `no`; nil where CONFIG is forbidden.
    public var appendfsync: String?
    /// Whether the last write of the append-only file succeeded.
    public var lastAppendSucceeded: Bool
    public var lastRewriteSucceeded: Bool
    /// `noeviction` and others.
    public var maxmemoryPolicy: String
    /// In bytes; 0 for none.
    public var maxmemory: Int64
    public var usedMemory: Int64
    public var replicas: Int
    /// `min-replicas-to-write`; nil where CONFIG is forbidden.
    public var minReplicasToWrite: Int?
    /// How far Redis' clock is ahead of this machine's, in seconds.
    public var clockAheadSeconds: Double
    /// Batches that are sealed and not flushed.
    public var pendingEntries: Int

    public init(
        version: String, role: String, keepsAppendOnlyFile: Bool, appendfsync: String?, lastAppendSucceeded: Bool,
        lastRewriteSucceeded: Bool, maxmemoryPolicy: String, maxmemory: Int64, usedMemory: Int64, replicas: Int,
        minReplicasToWrite: Int?, clockAheadSeconds: Double, pendingEntries: Int
    ) {
        self.version = version
        self.role = role
        self.keepsAppendOnlyFile = keepsAppendOnlyFile
        self.appendfsync = appendfsync
        self.lastAppendSucceeded = lastAppendSucceeded
        self.lastRewriteSucceeded = lastRewriteSucceeded
        self.maxmemoryPolicy = maxmemoryPolicy
        self.maxmemory = maxmemory
        self.usedMemory = usedMemory
        self.replicas = replicas
        self.minReplicasToWrite = minReplicasToWrite
        self.clockAheadSeconds = clockAheadSeconds
        self.pendingEntries = pendingEntries
    }
}

extension RedisBuffer {
    /// Asks Redis how it is set up. Changes nothing in it but what every greeting may.
    /// - Parameter clock: this machine's, in seconds since 1970.
    /// - Throws: `BufferError`.
    public func inspect(clock: @Sendable () -> Double) async throws -> RedisInspection {
        let info = InfoText(try await self.client.command(["INFO"]).text ?? "")
        let before = clock()
        let time = try await self.client.command(["TIME"]).array ?? []
        let after = clock()
        let seconds = time.first?.text.flatMap { Double($0) } ?? before
        let microseconds = time.last?.text.flatMap { Double($0) } ?? 0
        return RedisInspection(
            version: info["redis_version"] ?? "unknown", role: info["role"] ?? "unknown",
            keepsAppendOnlyFile: info["aof_enabled"] == "1", appendfsync: await self.client.setting("appendfsync"),
            lastAppendSucceeded: info["aof_last_write_status"] ?? "ok" == "ok",
            lastRewriteSucceeded: info["aof_last_bgrewrite_status"] ?? "ok" == "ok",
            maxmemoryPolicy: info["maxmemory_policy"] ?? "unknown",
            maxmemory: info["maxmemory"].flatMap { Int64($0) } ?? 0,
            usedMemory: info["used_memory"].flatMap { Int64($0) } ?? 0,
            replicas: info["connected_slaves"].flatMap { Int($0) } ?? 0,
            minReplicasToWrite: await self.client.setting("min-replicas-to-write").flatMap { Int($0) },
            // Read between two looks at this clock, so the way there and back counts half.
            clockAheadSeconds: seconds + microseconds / 1_000_000 - (before + after) / 2,
            pendingEntries: Int(
                try await self.client.command(["LLEN", self.session.keys.pending]).integer ?? 0))
    }
}
