import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// While Redis cannot be reached, counts go to a file of the instance, and from there to the same store.
    @Suite struct Spool {
        private let path = "/track?clientName=acme&testID=cta&variation=B"
        private let counter = Counter(client: "acme", test: "cta", variation: "B")

        private func track(_ tally: TallyProcess) async throws -> TestResponse {
            try await TestConnection.once(port: tally.port, .GET, self.path)
        }

        @Test(
            "while Redis is away counts are acknowledged and flushed, and when it is back they go there again",
            arguments: [Deployment.Kind.redis, .redisAndMongoDB])
        func away(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.everySecond))
            #expect(try await self.track(tally).status == 200)
            try await eventually("the first count to be flushed", log: { tally.log }) {
                try await deployment.countedInStore(clients: ["acme"]) == [self.counter: 1]
            }
            try await redis.kill()
            try await eventually("counts to be taken without Redis", log: { tally.log }) {
                try await self.track(tally).status == 200
            }
            #expect(try await self.track(tally).status == 200)
            #expect(tally.log.contains("counts go to the spool"))
            // The flush does not wait for Redis either.
            try await eventually("the spool to be flushed", log: { tally.log }) {
                try await deployment.countedInStore(clients: ["acme"]) == [self.counter: 3]
            }
            try await redis.restart()
            try await eventually("counts to go to Redis again", log: { tally.log }) {
                _ = try await self.track(tally)
                return tally.log.contains("counts go to the buffer again")
            }
        }

        @Test("while Redis writes a large file anew, under standing connections, counts go to the spool")
        func rewriting() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            #expect(try await self.track(tally).status == 200)
            // A rewrite takes this long for each key, in microseconds, as one of many keys would.
            for number in 0..<3 { try await redis.command(["SET", "other:\(number)", "1"]) }
            try await redis.command(["CONFIG", "SET", "rdb-key-save-delay", "500000"])
            // As if it had been promoted.
            try await redis.command(["HSET", "{tally}:meta", "replid", "another"])
            var counted: Int64 = 1
            try await eventually("counts to be taken without Redis", log: { tally.log }) {
                if try await self.track(tally).status == 200 { counted += 1 }
                return tally.log.contains("counts go to the spool")
            }
            try await eventually("counts to go to Redis again", log: { tally.log }) {
                if try await self.track(tally).status == 200 { counted += 1 }
                return tally.log.contains("counts go to the buffer again")
            }
            try await deployment.flush(tally)
            #expect(try await deployment.countedInStore(clients: ["acme"]) == [self.counter: counted])
        }

        @Test("under traffic, with Redis killed again and again, every acknowledged count is there once")
        func underTraffic() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings())
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(.init(seed: 71, connections: 8, counts: .max, counters: 100), ledger: ledger)
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                for _ in 0..<3 {
                    func flowed(_ what: String) async throws {
                        let before = ledger.total.acknowledged
                        try await eventually(within: .seconds(30), what, log: { tally.log }) {
                            ledger.total.acknowledged > before + 500
                        }
                    }
                    try await flowed("traffic with Redis")
                    try await redis.kill()
                    try await flowed("traffic without Redis")
                    try await redis.restart()
                }
                stop.stop()
                return try await group.next() ?? .init()
            }
            #expect(report.surprises.isEmpty)
            #expect(try await deployment.violations(ledger, tally, exactly: false) == [])
        }

        @Test("a service that starts without Redis counts into the spool")
        func startsWithout() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            try await redis.kill()
            let tally = try await TallyProcess.start(deployment.settings())
            #expect(try await self.track(tally).status == 200)
            try await eventually("the spool to be flushed", log: { tally.log }) {
                try await deployment.countedInStore(clients: ["acme"]) == [self.counter: 1]
            }
            #expect(try await TestConnection.once(port: tally.port, .GET, "/readyz").status == 503)
        }

        @Test("a Redis that is frozen costs what was on its way to it 5 s; what comes after goes to the spool")
        func frozen() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            #expect(try await self.track(tally).status == 200)
            redis.pause()
            #expect(try await self.track(tally).status == 504)
            try await eventually("counts to go to the spool", log: { tally.log }) {
                try await self.track(tally).status == 200
            }
            redis.resume()
            // What was unanswered is settled with Redis, and is counted there; the spool is drained by the same flush.
            try await eventually("Redis to be in use again", log: { tally.log }) {
                _ = try await self.track(tally)
                return tally.log.contains("counts go to the buffer again")
            }
            try await deployment.flush(tally)
            let before = try #require(try await deployment.countedInStore(clients: ["acme"])[self.counter])
            #expect(try await self.track(tally).status == 200)
            try await deployment.flush(tally)
            #expect(try await deployment.countedInStore(clients: ["acme"])[self.counter] == before + 1)
        }

        @Test("a full spool refuses with 503 and says which setting, and takes counts again when it is drained")
        func full() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            try await redis.kill()
            var settings = deployment.settings(flush: Deployment.never)
            settings["SPOOL_MAX_MB"] = "1"
            let tally = try await TallyProcess.start(settings)
            let connection = try await TestConnection.connect(port: tally.port)
            func send(_ request: Int) async throws -> TestResponse {
                let items = (0..<500).map {
                    #"{"clientName":"acme","testID":"t\#((request * 500 + $0) / 100)","variation":"v\#($0 % 100)"}"#
                }
                return try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/json"],
                    body: "[\(items.joined(separator: ","))]")
            }
            // 1 MB is 2,500 counters of 400 bytes.
            for request in 0..<5 { #expect(try await send(request).status == 200) }
            let refused = try await send(5)
            #expect(refused.status == 503)
            #expect(refused.header("retry-after") != nil)
            #expect(tally.log.contains("SPOOL_MAX_MB"))
            // The other half of the flush fails, since Redis is away; the spool is drained all the same.
            _ = try await tally.run(["flush"])
            #expect(try await send(5).status == 200)
        }
    }
}
