import Foundation
import TallyCore
import TallyTestSupport
import Testing

@testable import TallyServer

extension EndToEnd {
    @Suite struct StartAndStop {
        @Test(
            "SIGTERM and SIGINT under load: every request has its answer, the last flush is done, exit 0",
            arguments: [SIGTERM, SIGINT])
        func underLoad(_ signal: Int32) async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let ledger = Ledger()
            let stop = TrafficGenerator.StopFlag()
            let traffic = TrafficGenerator(
                .init(seed: 61, connections: 8, counts: .max, counters: 50, reconnectsWithin: .seconds(30)),
                ledger: ledger)
            let report = try await withThrowingTaskGroup(of: TrafficGenerator.Report.self) { group in
                group.addTask { try await traffic.run(port: tally.port, stop: stop) }
                try await eventually("traffic") { ledger.total.acknowledged > 2_000 }
                tally.send(signal)
                #expect(try await tally.waitUntilExit(within: .seconds(20)) == .code(0), "\(tally.log)")
                stop.stop()
                try await tally.restart()
                return try await group.next() ?? .init()
            }
            #expect(report.unanswered == 0)
            #expect(report.surprises.isEmpty)
            // The last flush moved everything that was acknowledged before the service ended.
            #expect(try await deployment.violations(ledger, tally, exactly: true) == [])
        }

        @Test("the last flush leaves nothing in the buffer")
        func lastFlush() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            #expect(
                try await TestConnection.once(port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=B")
                    .status == 200)
            #expect(try await tally.terminate() == 0)
            let counted = try await deployment.countedInStore(clients: ["acme"])
            #expect(counted == [Counter(client: "acme", test: "cta", variation: "B"): 1])
        }

        @Test("a MongoDB that is frozen does not keep it from stopping within 20 s, and nothing is lost")
        func frozenStore() async throws {
            let mongo = try await MongoServer.start()
            let folder = try TemporaryDirectory("frozen")
            let tally = try await TallyProcess.start([
                "MONGODB_URI": mongo.uri(database: "frozen"), "FLUSH_SCHEDULE": Deployment.never,
                "DATA_DIR": folder.path,
            ])
            let path = "/track?clientName=acme&testID=cta&variation=B"
            #expect(try await TestConnection.once(port: tally.port, .GET, path).status == 200)
            mongo.pause()
            #expect(try await tally.terminate(within: .seconds(20)) == 0, "\(tally.log)")
            mongo.resume()
            try await tally.restart()
            #expect(try await tally.run(["flush"]).exit == .code(0))
            let answer = try await TestConnection.once(port: tally.port, .GET, "/get-metric?clientName=acme")
            #expect(try answer.json()["tests"]?[0]?["total"]?.integer == 1)
        }

        @Test("with Redis and MongoDB away it starts, says so, and recovers by itself")
        func serversAway() async throws {
            let redis = try await RedisServer.start()
            let mongo = try await MongoServer.start()
            try await redis.terminate()
            try await mongo.terminate()
            let tally = try await TallyProcess.start([
                "REDIS_URL": redis.url, "MONGODB_URI": mongo.uri(database: "away"),
                "FLUSH_SCHEDULE": Deployment.everySecond,
            ])
            let path = "/track?clientName=acme&testID=cta&variation=B"
            // Into the spool.
            #expect(try await TestConnection.once(port: tally.port, .GET, path).status == 200)
            let away = try await TestConnection.once(port: tally.port, .GET, "/readyz")
            #expect(away.status == 503)
            #expect(try away.json()["buffer"]?.string?.contains("127.0.0.1:\(redis.port)") == true)
            #expect(try away.json()["store"]?.string?.contains("\(mongo.port)") == true)
            try await redis.restart()
            var acknowledged: Int64 = 1
            try await eventually("counting without MongoDB", log: { tally.log }) {
                if try await TestConnection.once(port: tally.port, .GET, path).status == 200 { acknowledged += 1 }
                return acknowledged == 6
            }
            // A flush that fails must leave what it could not move where it was.
            try await eventually(within: .seconds(30), "a flush to fail for want of MongoDB", log: { tally.log }) {
                tally.log.split(separator: "\n").contains { $0.contains("flush failed") && $0.contains("MongoDB") }
            }
            try await mongo.restart()
            try await eventually(within: .seconds(30), "the counts to arrive", log: { tally.log }) {
                let response = try await TestConnection.once(port: tally.port, .GET, "/get-metric?clientName=acme")
                return try response.json()["tests"]?[0]?["total"]?.integer == acknowledged
            }
            #expect(try await TestConnection.once(port: tally.port, .GET, "/readyz").status == 200)
        }

        @Test("a service that is killed leaves nothing in the machine's shared memory")
        func killed() async throws {
            let tally = try await TallyProcess.start()
            let pid = try #require(tally.pid)
            try await tally.kill()
            let left = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
            #expect(left.filter { $0.hasSuffix("-\(pid)") } == [])
        }

        @Test("bad settings stop the start, all of them named at once, with 78")
        func badSettings() async throws {
            let (exit, output) = try await TallyProcess.run(
                ["serve"],
                settings: [
                    "PORT": "8x80", "REDIS_URL": "http://:pass@x", "FLUSH_SCHEDULE": "61 * * * *",
                    "TRACK_ALLOWED_IPS": "10.0.0.1/8",
                ])
            #expect(exit == .code(78))
            for key in ["PORT", "REDIS_URL", "FLUSH_SCHEDULE", "TRACK_ALLOWED_IPS"] {
                #expect(output.contains(key), "\(output)")
            }
            #expect(!output.contains("pass@"))
        }

        @Test("a port that is taken is said, with 78")
        func portTaken() async throws {
            let first = try await TallyProcess.start()
            let folder = try TemporaryDirectory("port")
            let (exit, output) = try await TallyProcess.run(
                ["serve"], settings: ["PORT": String(first.port), "DATA_DIR": folder.path])
            #expect(exit == .code(78))
            #expect(output.contains("in use"))
        }

        @Test(
            "a HOST that is not known is a wrong setting, 78; one that is no address of this machine may be one later, 69",
            arguments: [("no..host", 78, "no..host is not known"), ("192.0.2.1", 69, "no address of this machine now")])
        func hostUnknown(_ host: String, _ code: Int32, _ words: String) async throws {
            let folder = try TemporaryDirectory("host")
            let (exit, output) = try await TallyProcess.run(
                ["serve"], settings: ["HOST": host, "PORT": "0", "DATA_DIR": folder.path])
            #expect(exit == .code(code))
            #expect(output.contains("tally: ") && output.contains(words) && output.contains("set HOST"), "\(output)")
        }

        @Test("a resolver that is away is told from a name that is not known")
        func resolverAway() {
            let away = ListenFailure.unresolved("tally.example", code: Int(EAI_AGAIN), reason: "try again")
            #expect(away.code == .unavailable && away.description.contains("tally.example cannot be looked up now"))
            #expect(ListenFailure.unresolved("x", code: Int(EAI_NONAME), reason: "no").code == .configuration)
        }

        @Test("a MongoDB whose name cannot be looked up at the start is one that is away: the service counts")
        func unknownService() async throws {
            let tally = try await TallyProcess.start([
                "MONGODB_URI": "mongodb+srv://user:hunter2@cluster.no-such.invalid/",
                "FLUSH_SCHEDULE": Deployment.never,
            ])
            let path = "/track?clientName=acme&testID=cta&variation=B"
            #expect(try await TestConnection.once(port: tally.port, .GET, path).status == 200)
            let (exit, output) = try await tally.run(["flush"])
            #expect(exit == .code(69))
            #expect(output.contains("MongoDB at cluster.no-such.invalid") && !output.contains("hunter2"), "\(output)")
            // What could not be moved stays.
            #expect(try await tally.terminate() == 0, "\(tally.log)")
            let settings = ["DATA_DIR": tally.dataDirectory.path]
            #expect(try await TallyProcess.run(["flush"], settings: settings).output.contains("moved 1 count"))
        }

        @Test("a data folder that cannot be written is said, with 69")
        func noFolder() async throws {
            let (exit, output) = try await TallyProcess.run(
                ["serve"], settings: ["DATA_DIR": "/proc/tally", "PORT": "0"])
            #expect(exit == .code(69))
            #expect(output.contains("/proc/tally"))
        }

        @Test("a second instance with an embedded store on the same Redis prefix exits with 78")
        func ownedPrefix() async throws {
            let deployment = try await Deployment.start(.redis)
            let first = try await TallyProcess.start(deployment.settings())
            var settings = deployment.settings(instance: 2)
            settings["PORT"] = "0"
            let (exit, output) = try await TallyProcess.run(["serve"], settings: settings)
            #expect(exit == .code(78))
            #expect(output.contains("REDIS_KEY_PREFIX"))
            #expect(first.isRunning)
        }

        @Test("tally flush says 69 where a server is away, and what moved where none is")
        func flushCommand() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try #require(deployment.redis)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            #expect(
                try await TestConnection.once(port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=B")
                    .status == 200)
            let (exit, output) = try await tally.run(["flush"])
            #expect(exit == .code(0))
            #expect(output.contains("moved 1 count of 1 counter into 1 document, in 1 batch"), "\(output)")
            #expect(try await tally.run(["flush"]).output.contains("nothing to move"))
            try await redis.kill()
            let away = try await tally.run(["flush"])
            #expect(away.exit == .code(69))
            #expect(away.output.contains("127.0.0.1:\(redis.port)"))
        }

        @Test("unknown flags are usage errors, with 64")
        func usage() async throws {
            #expect(try await TallyProcess.run(["--no-such-flag"], settings: [:]).exit == .code(64))
            #expect(try await TallyProcess.run(["metrics", "a.b"], settings: [:]).exit == .code(64))
            let (exit, output) = try await TallyProcess.run(["--version"], settings: [:])
            #expect(exit == .code(0))
            #expect(output.contains("0."))
        }
    }
}
