import NIOCore
import TallyCore

/// Redis as one flusher uses it: over a connection that breaks, each command perhaps lost, or carried out and its answer
/// lost. Hello is said on every new connection, as `RedisClient` does.
final class ModelRedisBuffer: CounterBuffer, @unchecked Sendable {
    let kind = "redis"

    private unowned let flusher: SimulatedFlusher
    private unowned let world: World
    private let redis: ModelRedis
    /// The generation of Redis to which the connection stands; 0 where there is none.
    private var generation = 0

    init(flusher: SimulatedFlusher, world: World) {
        self.flusher = flusher
        self.world = world
        self.redis = world.redis
    }

    func disconnect() { self.generation = 0 }

    func seal() async throws {
        try await self.command { () throws(BufferError) in try self.redis.seal() }
    }

    /// Returns once everything that is listed is durable: the store must not run ahead of what Redis would still know
    /// after a crash.
    func pending() async throws -> [PendingEntry] {
        let entries = try await self.command { self.redis.data.pending }
        let end = self.redis.end
        if self.world.broken != .noBarrier { try await self.flusher.wait { [redis] in redis.isDurable(end) } }
        return self.world.broken == .appliedOutOfOrder ? Self.reversed(entries) : entries
    }

    func read(_ id: BatchID) async throws -> SealedBatch? {
        if self.world.broken == .acknowledgedBeforeApplied {
            let counts = try await self.command { self.redis.data.batches[id] }
            try await self.command { self.redis.acknowledge(.batch(id)) }
            return try counts.map { try $0.sealed(id, buffer: self.kind) }
        }
        // HSCAN in pieces; what was seen already may be shown again.
        var seen = BufferData.Counts(hour: 0)
        var hasTotal = false
        for piece in 0..<2 {
            guard let counts = try await self.command({ self.redis.data.batches[id] }) else { break }
            let first = piece == 0 ? 0 : Catalog.counters / 2 - self.world.chance.below(3)
            let past = piece == 0 ? Catalog.counters / 2 : Catalog.counters
            for counter in first..<past {
                if self.world.broken == .scanDuplicatesAdded {
                    seen.values[counter] += counts.values[counter]
                } else {
                    seen.values[counter] = counts.values[counter]
                }
            }
            seen.hour = counts.hour
            if piece == 1 {
                seen.total = counts.total
                hasTotal = true
            }
        }
        guard hasTotal, seen.total == seen.sum else {
            let isThere = try await self.command { self.redis.data.batches[id] != nil }
            if isThere { throw BufferError(.malformed, "\(id): its counts do not add up to its total") }
            return nil
        }
        return try seen.sealed(id, buffer: self.kind)
    }

    func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws {
        try await self.command { self.redis.acknowledge(entry) }
    }

    /// Only thrift, so now and then two get it, as after 30 s of silence.
    func withFlushLock<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result? {
        let isMine = try await self.command {
            if self.world.redisLockHolder != nil, !self.world.isHealing, self.world.chance.percent(50) { return false }
            self.world.redisLockHolder = self.flusher.number
            return true
        }
        guard isMine else { return nil }
        defer { if self.world.redisLockHolder == self.flusher.number { self.world.redisLockHolder = nil } }
        return try await body()
    }

    /// The simulation has an audit of its own (`Oracle`).
    func ledger() async throws -> BufferLedger { throw BufferError(.unavailable, "not modelled") }

    func ping() async throws {}
    func makeLane(on eventLoop: any EventLoop) -> any BufferLane { preconditionFailure("flushers count nothing") }

    private func command<Result>(_ body: () throws(BufferError) -> Result) async throws -> Result {
        try await self.flusher.pause()
        guard self.redis.isUp else { throw BufferError(.unavailable, "Redis is down") }
        if self.generation != self.redis.generation { try self.connect() }
        if self.flusher.fails() {
            self.disconnect()
            throw BufferError(.unavailable, "the command was lost")
        }
        let result = try body()
        self.redis.syncBeforeReplies()
        if self.flusher.fails() {
            self.disconnect()
            throw BufferError(.unavailable, "the answer was lost")
        }
        return result
    }

    private func connect() throws(BufferError) {
        let reply = self.redis.hello(candidate: self.world.newEpoch())
        self.redis.syncBeforeReplies()
        if case .refused(let message) = reply { throw BufferError(.refused, message) }
        self.generation = self.redis.generation
        // Asked for, not waited for: only who counts has to wait.
        if !self.redis.isRewritten, self.world.broken != .fileNotRewritten, self.world.chance.percent(30) {
            self.redis.rewrite()
        }
    }

    static func reversed(_ entries: [PendingEntry]) -> [PendingEntry] {
        var entries = entries
        let batches = entries.indices.filter { if case .batch = entries[$0] { true } else { false } }
        for (index, entry) in zip(batches, batches.reversed().map { entries[$0] }) { entries[index] = entry }
        return entries
    }
}

/// The spool of one instance as its flusher uses it.
final class ModelSpoolBuffer: CounterBuffer, @unchecked Sendable {
    let kind: String

    private unowned let flusher: SimulatedFlusher
    private unowned let world: World
    private let spool: ModelSpool
    private var isFlushing = false

    init(kind: String, spool: ModelSpool, flusher: SimulatedFlusher, world: World) {
        self.kind = kind
        self.spool = spool
        self.flusher = flusher
        self.world = world
    }

    func seal() async throws {
        try await self.flusher.pause()
        self.spool.seal(newEpoch: self.world.newEpoch)
    }

    func pending() async throws -> [PendingEntry] {
        try await self.flusher.pause()
        let entries = self.spool.data.pending
        return self.world.broken == .appliedOutOfOrder ? ModelRedisBuffer.reversed(entries) : entries
    }

    func read(_ id: BatchID) async throws -> SealedBatch? {
        try await self.flusher.pause()
        let batch = try self.spool.data.batches[id].map { try $0.sealed(id, buffer: self.kind) }
        if self.world.broken == .acknowledgedBeforeApplied { self.spool.acknowledge(.batch(id)) }
        return batch
    }

    func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws {
        try await self.flusher.pause()
        self.spool.acknowledge(entry)
    }

    func withFlushLock<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result? {
        try await body()
    }

    /// The simulation has an audit of its own (`Oracle`).
    func ledger() async throws -> BufferLedger { throw BufferError(.unavailable, "not modelled") }

    func ping() async throws {}
    func makeLane(on eventLoop: any EventLoop) -> any BufferLane { preconditionFailure("flushers count nothing") }
}

extension BufferData.Counts {
    /// The batch as the real code hands it on.
    func sealed(_ id: BatchID, buffer: String) throws -> SealedBatch {
        guard self.total == self.sum else {
            throw BufferError(.malformed, "\(id): its counts do not add up to its total")
        }
        return SealedBatch(
            id: id, hour: Hour(hoursSince1970: self.hour), sealedAt: self.hour * 3600, buffer: buffer,
            documents: Catalog.documents(self.values))
    }
}
