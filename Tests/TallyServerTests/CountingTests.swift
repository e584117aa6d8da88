import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Counting {
        @Test(
            "eight clients count 50,000 in every form while a flush runs every second",
            arguments: Deployment.Kind.allCases)
        func everyFormEveryDeployment(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let tally = try await TallyProcess.start(deployment.settings())
            let ledger = Ledger()
            let traffic = TrafficGenerator(
                .init(seed: 11, connections: 8, counts: 50_000, counters: 500), ledger: ledger)
            let report = try await traffic.run(port: tally.port)
            #expect(report.surprises.isEmpty)
            #expect(report.unanswered == 0)
            #expect(ledger.total.acknowledged == 50_000)
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
            #expect(try await tally.terminate() == 0, "\(tally.log)")
        }

        @Test("more counters at once than a batch holds are counted all the same", arguments: Deployment.Kind.allCases)
        func moreThanOneBatch(_ kind: Deployment.Kind) async throws {
            let deployment = try await Deployment.start(kind)
            let settings = deployment.settings(flush: Deployment.never).merging(["EVENT_LOOPS": "1"]) { $1 }
            let tally = try await TallyProcess.start(settings)
            // One write, so that they come in one tick of the event loop: six requests of 300 counters each.
            var bytes: [UInt8] = []
            for request in 0..<6 {
                let items = (0..<300).map {
                    #"{"clientName":"acme","testID":"t\#(request)-\#($0 / 2)","variation":"\#($0 % 2)"}"#
                }
                let body = "[\(items.joined(separator: ","))]"
                bytes += Array(
                    """
                    POST /track HTTP/1.1\r
                    Host: x\r
                    Content-Type: application/json\r
                    Content-Length: \(body.utf8.count)\r
                    Connection: \(request == 5 ? "close" : "keep-alive")\r
                    \r
                    \(body)
                    """.utf8)
            }
            let answer = try await TestConnection.rawExchange(port: tally.port, bytes, halfClose: false)
            let counted = String(decoding: answer, as: UTF8.self).matches(of: /"status":"counted","accepted":300\}/)
            #expect(counted.count == 6)
            try await deployment.flush(tally)
            let metric = try await TestConnection.once(
                port: tally.port, .GET, "/get-metric?clientName=acme", headers: ["Accept": "text/csv"])
            let rows = String(decoding: metric.body, as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst()
            #expect(rows.count == 1800 && rows.allSatisfy { $0.hasSuffix(",1") }, "\(rows.prefix(3))")
        }

        @Test("two instances on one Redis and one MongoDB, both flushing every second")
        func twoInstances() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let first = try await TallyProcess.start(deployment.settings(instance: 1))
            let second = try await TallyProcess.start(deployment.settings(instance: 2))
            let ledger = Ledger()
            let traffic = TrafficGenerator(
                .init(seed: 12, connections: 8, counts: 50_000, counters: 500), ledger: ledger)
            let report = try await traffic.run(ports: [first.port, second.port])
            #expect(report.surprises.isEmpty)
            #expect(ledger.total.acknowledged == 50_000)
            #expect(try await deployment.violations(ledger, first, exactly: true) == [])
            #expect(try await second.terminate() == 0)
            #expect(try await first.terminate() == 0)
        }

        @Test("what an embedded buffer holds is drained when Redis is configured later")
        func embeddedBufferLeftBehind() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            var settings = deployment.settings(flush: Deployment.never)
            let redisURL = settings.removeValue(forKey: "REDIS_URL")
            let mongoURI = settings.removeValue(forKey: "MONGODB_URI")
            let ledger = Ledger()
            // Killed, so that there is no last flush.
            let alone = try await TallyProcess.start(settings)
            try await TrafficGenerator(.init(seed: 13, counts: 500, counters: 20), ledger: ledger).run(port: alone.port)
            try await alone.kill()
            settings["REDIS_URL"] = redisURL
            settings["MONGODB_URI"] = mongoURI
            let grown = try await TallyProcess.start(settings)
            try await TrafficGenerator(.init(seed: 14, counts: 500, counters: 20), ledger: ledger).run(port: grown.port)
            #expect(try await deployment.violations(ledger, grown, exactly: true) == [])
        }
    }
}
