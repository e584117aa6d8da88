import Synchronization
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct LostAnswers {
        @Test("a hundred batches whose answer was lost on the way from Redis are each counted once")
        func hundredCuts() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let proxy = try await TCPProxy.start(to: redis.port)
            let tally = try await TallyProcess.start(deployment.settings(redisPort: proxy.port))
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(.init(seed: 31, connections: 8, counts: .max, counters: 100), ledger: ledger)

            // Redis has done what it was asked, and its answer is thrown away with the connection.
            let cuts = Atomic(0)
            let answers = Atomic(0)
            proxy.onServerBytes { _ in
                guard cuts.load(ordering: .relaxed) < 100 else { return .forward }
                guard answers.add(1, ordering: .relaxed).newValue % 7 == 0 else { return .forward }
                cuts.add(1, ordering: .relaxed)
                return .cut
            }
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                try await eventually(within: .seconds(60), "a hundred cuts", log: { tally.log }) {
                    cuts.load(ordering: .relaxed) >= 100
                }
                stop.stop()
                return try await group.next() ?? .init()
            }
            #expect(cuts.load(ordering: .relaxed) == 100)
            #expect(report.surprises.isEmpty)
            // Every request has its answer, since the batch was settled with Redis: so the books close exactly.
            #expect(report.unanswered == 0)
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
            await proxy.stop()
        }

        @Test("a Redis that falls silent gives 504, and what it did is counted once when it is back")
        func silentRedis() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let path = "/track?clientName=acme&testID=cta&variation=B"
            #expect(try await TestConnection.once(port: tally.port, .GET, path).status == 200)
            redis.pause()
            let silent = try await TestConnection.once(port: tally.port, .GET, path)
            redis.resume()
            #expect(silent.status == 504)
            #expect(silent.header("content-type") == "application/problem+json")
            try await eventually("counting again", log: { tally.log }) {
                try await TestConnection.once(port: tally.port, .GET, path).status == 200
            }
            try await deployment.flush(tally)
            let counter = Counter(client: "acme", test: "cta", variation: "B")
            let counted = try await deployment.countedByAPI(tally, clients: ["acme"])[counter] ?? 0
            // The one before, the one after, and the silent one, which Redis carried out when it woke.
            #expect(counted == 3)
        }
    }
}
