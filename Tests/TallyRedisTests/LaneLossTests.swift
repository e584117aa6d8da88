import NIOCore
import NIOPosix
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyRedis

/// What a lane says of a connection that it has lost.
@Suite struct LaneLossTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func lane(_ redis: ScriptedRedis, _ log: LogRecorder) async throws -> NIOLoopBound<any BufferLane> {
        let buffer = RedisBuffer(
            endpoint: RedisEndpoint(host: "127.0.0.1", port: redis.port), keyPrefix: "tally", bounds: .standard,
            owner: "mongodb", eventLoop: self.loop, logger: log.logger)
        return try await self.loop.submit { [loop] in NIOLoopBound(buffer.makeLane(on: loop), eventLoop: loop) }.get()
    }

    private func away(_ log: LogRecorder) -> [String] {
        log.lines.filter { $0.metadata["event"] == "redis_away" }.map(\.message)
    }

    @Test("a Redis that is silent from the beginning is said to be silent, and to which command")
    func silent() async throws {
        let redis = try await ScriptedRedis.start { _, command in command == "SCRIPT" ? .silence : .reply("+OK\r\n") }
        let log = LogRecorder()
        let lane = try await self.lane(redis, log)
        try await eventually(within: .seconds(30), "the lane to give up") { !self.away(log).isEmpty }
        #expect(self.away(log).first?.contains("gave no answer to SCRIPT within 5 s") == true, "\(self.away(log))")
        try await self.loop.submit { lane.value.close() }.get()
        try await redis.stop()
    }

    @Test("what a connection was lost for is not said of the next one")
    func causes() async throws {
        let redis = try await ScriptedRedis.start { connection, command in
            switch command {
            case "SCRIPT": .reply("$2\r\nab\r\n")
            case "EVAL" where connection == 1:
                .reply("*3\r\n$16\r\n00000000000000ab\r\n$7\r\nchanged\r\n$1\r\n1\r\n")
            case "EVAL": .reply("*3\r\n$16\r\n00000000000000ab\r\n$4\r\nkept\r\n$0\r\n\r\n")
            // Is asked again in a moment, and is gone by then.
            case "INFO": .replyAndClose("$42\r\naof_enabled:1\r\naof_rewrite_in_progress:1\r\n\r\n")
            case "EVALSHA": .reply("what?\r\n")
            default: .reply("+OK\r\n")
            }
        }
        let log = LogRecorder()
        let lane = try await self.lane(redis, log)
        try await eventually("the second connection") { [loop] in
            try await loop.submit { lane.value.isReady }.get()
        }
        // Later than the question that the first connection is too late for, on the same loop.
        try await self.loop.scheduleTask(in: AppendOnlyRewrite.interval * 4) {
            var batch = CountBatch()
            let field = CounterField.pack(client: "acme", test: "cta", variation: "A", event: .view)
            field.withUnsafeBytes { _ = batch.appendSingle(field: $0, count: 1) }
            lane.value.send(batch) { _ in }
        }.futureResult.get()
        try await eventually("the second connection to be lost") { self.away(log).count == 2 }
        #expect(self.away(log)[0].contains("closed the connection"))
        #expect(self.away(log)[1].contains("does not speak RESP2"), "\(self.away(log))")
        try await self.loop.submit { lane.value.close() }.get()
        try await redis.stop()
    }
}
