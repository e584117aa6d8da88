import NIOHTTP1
import Synchronization
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct EventIDs {
        private static let path = "/track?clientName=acme&testID=cta&variation=B&eventID=first"
        private static let json: HTTPHeaders = ["Content-Type": "application/json"]
        private static let counter = Counter(client: "acme", test: "cta", variation: "B")

        private static func item(_ id: String, count: Int = 1) -> String {
            #"{"clientName":"acme","testID":"cta","variation":"B","eventID":"\#(id)","count":\#(count)}"#
        }

        @Test(
            "a count is counted once and a duplicate is told so, in every deployment",
            arguments: Deployment.Kind.allCases)
        func answers(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let connection = try await TestConnection.connect(port: tally.port)
            func track(_ items: String...) async throws -> String {
                try await connection.request(
                    .POST, "/track", headers: Self.json, body: "[" + items.joined(separator: ",") + "]"
                ).text
            }
            #expect(try await connection.request(.GET, Self.path).text == #"{"status":"counted"}"#)
            let again = try await connection.request(.GET, Self.path)
            #expect(again.status == 200)
            #expect(again.text == #"{"status":"duplicate"}"#)
            #expect(again.header("cache-control") == "no-store")
            #expect(again.header("content-type") == "application/json")
            // A batch says how much of it was counted, and how many items were not.
            #expect(
                try await track(Self.item("first", count: 10), Self.item("second", count: 20), Self.item("second"))
                    == #"{"status":"counted","accepted":20,"duplicates":2}"#)
            #expect(
                try await track(Self.item("second"), Self.item("first"))
                    == #"{"status":"duplicate","accepted":0,"duplicates":2}"#)
            #expect(try await track(Self.item("third", count: 300)) == #"{"status":"counted","accepted":300}"#)
            let other = try await connection.request(
                .GET, "/track?clientName=other&testID=cta&variation=B&eventID=first")
            #expect(other.text == #"{"status":"counted"}"#)
            // The service forgets nothing when it is killed.
            try await tally.restart()
            #expect(
                try await TestConnection.once(port: tally.port, .GET, Self.path).text == #"{"status":"duplicate"}"#)
            try await deployment.flush(tally)
            #expect(try await deployment.countedByAPI(tally, clients: ["acme"]) == [Self.counter: 321])
        }

        @Test("an ID counted by one instance is a duplicate to the other, also after both and Redis were killed")
        func twoInstances() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let first = try await TallyProcess.start(deployment.settings(flush: Deployment.never, instance: 1))
            let second = try await TallyProcess.start(deployment.settings(flush: Deployment.never, instance: 2))
            func status(_ tally: TallyProcess) async throws -> String? {
                let response = try await TestConnection.once(port: tally.port, .GET, Self.path)
                return response.status == 200 ? try response.json()["status"]?.string : nil
            }
            #expect(try await status(first) == "counted")
            #expect(try await status(second) == "duplicate")
            for tally in [first, second] { try await tally.kill() }
            try await redis.kill()
            try await redis.restart()
            for tally in [second, first] {
                try await tally.restart()
                var answer: String?
                try await eventually("an answer", log: { tally.log }) {
                    answer = try await status(tally)
                    return answer != nil
                }
                #expect(answer == "duplicate")
            }
            try await deployment.flush(first)
            #expect(try await deployment.countedByAPI(first, clients: ["acme"]) == [Self.counter: 1])
        }

        @Test(
            "as many as are allowed are taken, and the next is refused with what to do",
            arguments: [
                Deployment.Kind.embedded, .redis,
            ])
        func bound(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let settings = deployment.settings(flush: Deployment.never).merging(["DEDUPE_MAX_IDS": "1000"]) { $1 }
            let tally = try await TallyProcess.start(settings)
            let connection = try await TestConnection.connect(port: tally.port)
            let body = "[" + (0..<1_000).map { Self.item("\($0)") }.joined(separator: ",") + "]"
            #expect(
                try await connection.request(.POST, "/track", headers: Self.json, body: body).text
                    == #"{"status":"counted","accepted":1000}"#)
            let refused = try await connection.request(.GET, Self.path)
            #expect(refused.status == 503)
            #expect(refused.header("retry-after") != nil)
            #expect(try refused.json()["detail"]?.string?.contains("DEDUPE_MAX_IDS") == true)
            // Others are none the worse for it.
            let known = try await connection.request(.POST, "/track", headers: Self.json, body: Self.item("7"))
            #expect(known.status == 200)
            #expect(
                try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=B").text
                    == #"{"status":"counted"}"#)
            try await deployment.flush(tally)
            #expect(try await deployment.countedByAPI(tally, clients: ["acme"]) == [Self.counter: 1_001])
        }

        @Test(
            "what is sent again until it is acknowledged is counted exactly once, though answers are thrown away",
            arguments: Deployment.Kind.allCases)
        func retriesThroughLostAnswers(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings())
            let proxy = try await TCPProxy.start(to: tally.port)
            // Tally has counted, and every seventh time its answer is thrown away with the connection.
            let answers = Atomic(0)
            let cuts = Atomic(0)
            proxy.onServerBytes { _ in
                guard answers.add(1, ordering: .relaxed).newValue % 7 == 0 else { return .forward }
                cuts.add(1, ordering: .relaxed)
                return .cut
            }
            let ledger = Ledger()
            let traffic = TrafficGenerator(
                .init(seed: 41, connections: 8, counts: 4_000, counters: 100, eventIDs: true), ledger: ledger)
            let report = try await traffic.run(port: proxy.port)
            #expect(report.surprises.isEmpty)
            #expect(report.unanswered == 0)
            #expect(ledger.total.acknowledged == 4_000)
            #expect(cuts.load(ordering: .relaxed) > 20)
            #expect(report.duplicates > 20)
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
            await proxy.stop()
        }

        @Test(
            "nor do kills of the service, of Redis, and cuts between them, make anything counted twice or not at all",
            arguments: [Deployment.Kind.embedded, .redisAndMongoDB])
        func retriesThroughKills(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            // Where there is a Redis there are two instances. All cables lose answers.
            var proxies: [TCPProxy] = []
            var ports: [Int] = []
            var instances: [TallyProcess] = []
            func lossy(to port: Int, every: Int) async throws -> Int {
                let proxy = try await TCPProxy.start(to: port)
                let answers = Atomic(0)
                proxy.onServerBytes { _ in
                    answers.add(1, ordering: .relaxed).newValue % every == 0 ? .cut : .forward
                }
                proxies.append(proxy)
                return proxy.port
            }
            for instance in 1...(deployment.redis == nil ? 1 : 2) {
                var redisPort: Int?
                if let redis = deployment.redis { redisPort = try await lossy(to: redis.port, every: 31) }
                let tally = try await TallyProcess.start(
                    deployment.settings(redisPort: redisPort, instance: instance))
                ports.append(try await lossy(to: tally.port, every: 23))
                instances.append(tally)
            }
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(
                .init(
                    seed: 42, connections: 8, counts: .max, counters: 100, eventIDs: true,
                    reconnectsWithin: .seconds(60)), ledger: ledger)
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { [ports] group in
                group.addTask { try await traffic.run(ports: ports, stop: stop) }
                for round in 0..<6 {
                    let before = ledger.total.acknowledged
                    try await eventually(within: .seconds(60), "traffic to flow again", log: { instances[0].log }) {
                        ledger.total.acknowledged > before + 500
                    }
                    if round % 3 == 2, let redis = deployment.redis {
                        try await redis.kill()
                        try await redis.restart()
                    } else {
                        try await instances[round % instances.count].restart()
                    }
                }
                stop.stop()
                return try await group.next() ?? .init()
            }
            #expect(report.surprises.isEmpty)
            #expect(report.unanswered == 0)
            // Some were counted, and their senders learnt it from a duplicate.
            #expect(report.duplicates > 20)
            for proxy in proxies { proxy.onServerBytes(nil) }
            #expect(try await deployment.violations(ledger, instances[0], exactly: true) == [])
            for proxy in proxies { await proxy.stop() }
        }
    }
}
