import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyRedis

/// What `track.lua` does about event IDs, against a real Redis.
@Suite(.serverLogs) struct EventIDTests {
    private typealias Lane = RedisBufferTests.Lane

    private func buffer(
        _ redis: RedisServer, window: Duration = .seconds(600), maximum: Int = 1_000, bounds: NameBounds = .standard
    ) -> RedisBuffer {
        RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port), keyPrefix: "tally", bounds: bounds,
            eventIDs: EventIDBounds(window: window, maximum: maximum), owner: "mongodb",
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            logger: .silent)
    }

    private func verdicts(_ outcome: LaneOutcome) throws -> Verdicts {
        guard case .counted(let verdicts) = outcome else { throw TestSupportError("\(outcome)") }
        return verdicts
    }

    private func total(_ redis: RedisServer) async throws -> String? {
        try await redis.command(["HGET", "{tally}:live", "total"]).text
    }

    private func remembered(_ redis: RedisServer) async throws -> Int64 {
        var sum: Int64 = 0
        for set in 0..<6 {
            guard case .integer(let size) = try await redis.command(["SCARD", "{tally}:seen:\(set)"]) else {
                throw TestSupportError("no number")
            }
            sum += Int64(size)
        }
        return sum
    }

    private let field = "acme/cta/B/view"

    @Test("are counted once, also within one batch and one request, and for another lane; another client's are others")
    func once() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        let units: [[(field: String, id: String?)]] = [
            [(self.field, "x")], [(self.field, "x")],
            [(self.field, "y"), (self.field, nil), (self.field, "y")], [("other/cta/B/view", "x")],
        ]
        #expect(try self.verdicts(await lane.send(units)) == Verdicts(duplicates: [1, 4]))
        #expect(try await self.total(redis) == "4")
        try await buffer.seal()
        let other = try await Lane(buffer)
        #expect(try self.verdicts(await other.send(units)) == Verdicts(duplicates: [0, 1, 2, 4, 5]))
        #expect(try await self.total(redis) == "1")
        // Nothing but duplicates, of counters that are not known yet: no name is taken for it.
        #expect(
            try self.verdicts(await other.send([[("acme/new/B/view", "x")]])) == Verdicts(duplicates: [0]))
        #expect(try await redis.command(["HGET", "{tally}:names:acme", "t\tnew"]) == .null)
        #expect(try await self.remembered(redis) == 3)
        for lane in [lane, other] { try await lane.close() }
        await buffer.shutdown()
    }

    @Test("are remembered for the window, and forgotten after it, with what they took")
    func window() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis, window: .seconds(2))
        let lane = try await Lane(buffer)
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try self.verdicts(await lane.send([[(self.field, "x")]])) == .allCounted)
        // Until the end of the window, whatever else is counted meanwhile.
        var number = 0
        while true {
            let verdicts = try self.verdicts(await lane.send([[(self.field, "x")], [(self.field, "n\(number)")]]))
            number += 1
            // Taken before the answer was there, the time is no later than Redis' own.
            if clock.now - start >= .seconds(2) { break }
            #expect(verdicts == Verdicts(duplicates: [0]))
            try await Task.sleep(for: .milliseconds(20))
        }
        try await eventually("the ID to be forgotten") {
            try self.verdicts(await lane.send([[(self.field, "x")]])) == .allCounted
        }
        // A set is freed in the last ten seconds of its life; what came last remains.
        try await eventually("the others to be forgotten") {
            _ = try await lane.send([[(self.field, "x")]])
            return try await self.remembered(redis) <= 2
        }
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("do not outlive the window when no more come")
    func expiry() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis, window: .seconds(60))
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[(self.field, "x")]]))
        var lives: [Int] = []
        for set in 0..<6 {
            guard case .integer(let left) = try await redis.command(["PTTL", "{tally}:seen:\(set)"]) else { continue }
            if left != -2 { lives.append(Int(left)) }
        }
        #expect(lives.count == 1)
        #expect(lives.allSatisfy { $0 > 60_000 && $0 <= 70_000 })
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("stay remembered when another instance has a shorter window, or a longer one")
    func otherWindow() async throws {
        let redis = try await RedisServer.start()
        let long = self.buffer(redis, window: .seconds(600))
        let short = self.buffer(redis, window: .seconds(60))
        let first = try await Lane(long)
        let second = try await Lane(short)
        _ = try self.verdicts(await first.send([[(self.field, "x")]]))
        // Into every set, the one of the first included.
        for set in 0..<6 {
            _ = try await redis.command(["SADD", "{tally}:seen:\(set)", "acme\ty"])
            _ = try await redis.command(["PEXPIRE", "{tally}:seen:\(set)", "600000", "NX"])
        }
        #expect(
            try self.verdicts(await second.send([[(self.field, "x")], [(self.field, "z")]]))
                == Verdicts(duplicates: [0]))
        for set in 0..<6 {
            guard case .integer(let left) = try await redis.command(["PTTL", "{tally}:seen:\(set)"]) else { continue }
            #expect(left > 500_000)
        }
        #expect(try self.verdicts(await first.send([[(self.field, "z")]])) == Verdicts(duplicates: [0]))
        for lane in [first, second] { try await lane.close() }
        for buffer in [long, short] { await buffer.shutdown() }
    }

    @Test("beyond the bound are refused with their unit; those that are known still are duplicates")
    func bound() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis, maximum: 3)
        let lane = try await Lane(buffer)
        let field = self.field
        let outcome = try await lane.send([
            [(field, "1")], [(field, "2"), (field, nil), (field, "2")], [(field, "3"), (field, "4")], [(field, "1")],
            [(field, nil)], [(field, "5")], [(field, "6")],
        ])
        #expect(
            try self.verdicts(outcome)
                == Verdicts(
                    exceptions: [
                        .init(unit: 2, refusal: .tooManyIDs, entry: 5), .init(unit: 6, refusal: .tooManyIDs, entry: 9),
                    ], duplicates: [3, 6]))
        #expect(try await self.total(redis) == "5")
        #expect(try await self.remembered(redis) == 3)
        #expect(
            try self.verdicts(await lane.send([[(field, "3")], [(field, "2")]]))
                == Verdicts(exceptions: [.init(unit: 0, refusal: .tooManyIDs, entry: 0)], duplicates: [1]))
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("of a unit that meets a bound on names are not remembered")
    func refused() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis, bounds: NameBounds(testsPerClient: 1))
        let lane = try await Lane(buffer)
        let outcome = try await lane.send([
            [(self.field, "1")], [(self.field, "2"), ("acme/more/B/view", "3")], [(self.field, "2")],
        ])
        #expect(
            try self.verdicts(outcome) == Verdicts(exceptions: [.init(unit: 1, refusal: .tooManyTests, entry: 2)]))
        #expect(try self.verdicts(await lane.send([[(self.field, "3")]])) == .allCounted)
        #expect(try self.verdicts(await lane.send([[("acme/more/B/view", "3")]])) == Verdicts(duplicates: [0]))
        #expect(try await self.total(redis) == "3")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("a batch with the number that was applied gets the same verdicts, duplicates included")
    func numbers() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        try await buffer.ping()
        let epoch = try #require(try await redis.command(["HGET", "{tally}:meta", "epoch"]).text)
        func call(_ number: String, _ sizes: String, _ entries: [String], _ ids: [String]) async throws -> String? {
            try await redis.command(
                [
                    "EVAL", RedisScript.track.source, "1", "{tally}:meta", "{tally}:", epoch, "lane", number, "10", "1",
                    "10", "10", "1000", sizes,
                ] + entries + ids
            ).text
        }
        let entries = ["acme\tcta\tB\tview", "1", "acme\tcta\tB\tview", "10", "acme\tother\tB\tview", "100"]
        let ids = ["600000", "5", "0", "x", "1", "x", "2", "z"]
        for _ in 0..<2 { #expect(try await call("1", "1,1,1", entries, ids) == "1d1,2t2") }
        #expect(try await self.total(redis) == "1")
        for _ in 0..<2 { #expect(try await call("2", "3", entries, ids) == "0t2") }
        #expect(try await call("3", "2", Array(entries.prefix(4)), Array(ids.prefix(6))) == "0d0,0d1")
        #expect(try await self.total(redis) == "1")
        await buffer.shutdown()
    }

    @Test("survive a Redis that is killed, under the new epoch")
    func restart() async throws {
        let redis = try await RedisServer.start(appendfsync: .always)
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        _ = try self.verdicts(await lane.send([[(self.field, "x")]]))
        try await redis.kill()
        try await redis.restart()
        try await lane.waitUntilReady()
        #expect(
            try self.verdicts(await lane.send([[(self.field, "x")], [(self.field, "y")]])) == Verdicts(duplicates: [0]))
        #expect(try await self.total(redis) == "1")
        try await lane.close()
        await buffer.shutdown()
    }

    @Test("a thousand in one request fit into one script call, with new names and with known ones")
    func many() async throws {
        let redis = try await RedisServer.start()
        let buffer = self.buffer(redis)
        let lane = try await Lane(buffer)
        let unit = (0..<1_000).map { (field: "acme/test-\($0)/B/view", id: Optional("id-\($0)")) }
        #expect(try self.verdicts(await lane.send([unit])) == .allCounted)
        #expect(try self.verdicts(await lane.send([unit])) == Verdicts(duplicates: Array(0..<1_000)))
        #expect(try await self.total(redis) == "1000")
        try await lane.close()
        await buffer.shutdown()
    }
}
