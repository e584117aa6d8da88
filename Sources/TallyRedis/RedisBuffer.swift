public import Logging
public import NIOCore
public import TallyCore

/// The buffer on Redis. Its keys are described in `Scripts/seal.inc.lua`.
public final class RedisBuffer: CounterBuffer {
    public let kind = "redis"

    let session: RedisSession
    let client: RedisClient
    private let logger: Logger
    /// Names this process as holder of the flush lock.
    private let holder = Epoch.random().description

    /// How long a flusher may take for a batch before another one goes to work beside it: each batch that it acknowledges
    /// gives it as long again. Ends nothing: two are right too.
    static let lockMilliseconds = 30_000

    /// - Parameters:
    ///   - owner: the store that the counts go to (`mongodb`, or the embedded store's ID). A key prefix belongs to one.
    public init(
        endpoint: RedisEndpoint, keyPrefix: String, bounds: NameBounds, eventIDs: EventIDBounds = .standard,
        owner: String, eventLoop: any EventLoop, logger: Logger
    ) {
        self.session = RedisSession(
            endpoint: endpoint, keys: RedisKeys(prefix: keyPrefix), bounds: bounds, eventIDs: eventIDs, owner: owner,
            logger: logger)
        self.client = RedisClient(session: self.session, eventLoop: eventLoop)
        self.logger = logger
    }

    public func makeLane(on eventLoop: any EventLoop) -> any BufferLane {
        RedisLane(on: eventLoop, session: self.session, logger: self.logger)
    }

    public func seal() async throws {
        _ = try await self.client.run(.seal, [])
        FailPoint.reach(.afterSeal)
    }

    public func pending() async throws -> [PendingEntry] {
        let reply = try await self.client.command(["LRANGE", self.session.keys.pending, "0", "-1"])
        let entries = try (reply.array ?? []).map { value in
            guard let entry = value.text.flatMap(PendingEntry.init(redisEntry:)) else {
                throw BufferError(
                    .malformed,
                    "the list \(self.session.keys.pending) holds what tally did not write; look at it with redis-cli LRANGE '\(self.session.keys.pending)' 0 -1"
                )
            }
            return entry
        }
        if !entries.isEmpty {
            try await DurabilityBarrier(client: self.client, keys: self.session.keys).wait(for: entries)
        }
        return entries
    }

    public func read(_ id: BatchID) async throws -> SealedBatch? {
        try await BatchReader(client: self.client, key: self.session.keys.batch(id), id: id, buffer: self.kind).read()
    }

    /// Redis frees the batch in a thread of its own, so the pace is the same.
    public func acknowledge(_ entry: PendingEntry, pace: FlushPace) async throws {
        _ = try await self.client.run(
            .acknowledge, [entry.redisEntry, self.holder, String(Self.lockMilliseconds)])
    }

    public func withFlushLock<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result? {
        let reply = try await self.client.run(.lock, [self.holder, String(Self.lockMilliseconds)])
        guard reply == .integer(1) else { return nil }
        let result: Result
        do {
            result = try await body()
        } catch {
            await self.unlock()
            throw error
        }
        await self.unlock()
        return result
    }

    public func ping() async throws { _ = try await self.client.command(["PING"], timeout: .seconds(2)) }

    public func ledger() async throws -> BufferLedger {
        let reply = try await self.client.run(.ledger, [])
        guard let ledger = BufferLedger(redisReply: reply) else {
            throw BufferError(
                .malformed,
                "the books of the keys \(self.session.keys.base)* in Redis are not as tally writes them; look at them "
                    + "with redis-cli HGETALL '\(self.session.keys.meta)' and LRANGE '\(self.session.keys.pending)' 0 -1"
            )
        }
        return ledger
    }

    /// Ends the connection of the flush. Lanes are closed by those who made them.
    public func shutdown() async { await self.client.close() }

    private func unlock() async {
        // Only what is still ours: after a long pause the lock may be another's by now.
        if let reply = try? await self.client.command(["GET", self.session.keys.flushLock]), reply.text == self.holder {
            _ = try? await self.client.command(["DEL", self.session.keys.flushLock])
        }
    }
}
