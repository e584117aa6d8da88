public import NIOCore
public import TallyCore

/// Reads what the Node service left in its Redis: a key for each counter, with a number. Changes nothing there.
public struct NodeKeys: Sendable {
    private let endpoint: RedisEndpoint
    private let pattern: NodeKeyPattern
    private let eventLoop: any EventLoop

    private static let keysAtOnce = "1000"

    public init(endpoint: RedisEndpoint, pattern: NodeKeyPattern, eventLoop: any EventLoop) {
        self.endpoint = endpoint
        self.pattern = pattern
        self.eventLoop = eventLoop
    }

    /// - Throws: `BufferError`.
    public func counts() async throws -> ForeignCounts {
        let redis = try await PlainRedis.connect(to: self.endpoint, on: self.eventLoop)
        do {
            let counts = try await self.read(redis)
            await redis.close()
            return counts
        } catch {
            await redis.close()
            throw error
        }
    }

    private func read(_ redis: PlainRedis) async throws -> ForeignCounts {
        // A scan may show a key twice (https://redis.io/docs/latest/commands/scan/).
        var seen: Set<[UInt8]> = []
        var counts = ForeignCounts()
        var cursor = "0"
        repeat {
            let reply = try await redis.command(["SCAN", cursor, "MATCH", self.pattern.glob, "COUNT", Self.keysAtOnce])
            guard let parts = reply.array, parts.count == 2, let next = parts[0].text, let keys = parts[1].array else {
                throw reply.unexpected("SCAN")
            }
            cursor = next
            let new = keys.compactMap(\.bytes).filter { seen.insert($0).inserted }
            guard !new.isEmpty else { continue }
            let values = try await redis.command(["MGET"].map { Array($0.utf8) } + new)
            for (key, value) in zip(new, values.array ?? []) { self.add(key, value, to: &counts) }
        } while cursor != "0"
        return counts
    }

    private func add(_ key: [UInt8], _ value: RESPValue, to counts: inout ForeignCounts) {
        let place = "the key \(JSONText.string(String(decoding: key, as: UTF8.self)))"
        let names = self.pattern.names(in: key) { NameRules.faultInClient($0) == nil }
        guard let first = names.first else {
            counts.faults.append("\(place) does not fit the pattern, or names no possible client")
            return
        }
        guard names.count == 1 else {
            counts.faults.append(
                "\(place) fits the pattern in \(names.count) ways, so nobody knows which test it means")
            return
        }
        guard let count = value.text.flatMap({ Int64($0) }) else {
            counts.faults.append("\(place) holds no whole number")
            return
        }
        counts.counts.append(
            .init(place: place, client: first.client, test: first.test, variation: first.variation, count: count))
    }
}

/// A connection that says no hello, for a Redis that is not tally's.
private struct PlainRedis: Sendable {
    private let connection: NIOLoopBound<RedisConnection>
    private let eventLoop: any EventLoop

    static func connect(to endpoint: RedisEndpoint, on eventLoop: any EventLoop) async throws -> PlainRedis {
        let promise = eventLoop.makePromise(of: NIOLoopBound<RedisConnection>.self)
        eventLoop.execute {
            RedisConnection.connect(to: endpoint, on: eventLoop) { result in
                promise.completeWith(result.map { NIOLoopBound($0, eventLoop: eventLoop) }.mapError { $0 as any Error })
            }
        }
        return PlainRedis(connection: try await promise.futureResult.get(), eventLoop: eventLoop)
    }

    func command(_ words: [String]) async throws -> RESPValue { try await self.command(words.map { Array($0.utf8) }) }

    func command(_ words: [[UInt8]]) async throws -> RESPValue {
        let promise = self.eventLoop.makePromise(of: RESPValue.self)
        self.eventLoop.execute { [connection] in
            connection.value.send(words, within: .seconds(30)) { result in
                switch result {
                case .success(.error(let message)):
                    promise.fail(
                        BufferError(.refused, "Redis refused \(String(decoding: words[0], as: UTF8.self)): \(message)"))
                case .success(let reply): promise.succeed(reply)
                case .failure(let error): promise.fail(error)
                }
            }
        }
        return try await promise.futureResult.get()
    }

    func close() async {
        try? await self.eventLoop.submit { [connection] in connection.value.close() }.get()
    }
}
