import Foundation
import NIOHTTP1
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Logs {
        private static let track = "/track?clientName=acme&testID=cta&variation="

        private func lines(_ text: String) throws -> [JSONValue] {
            try text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
        }

        /// What is not as docs/logs.md has it.
        private func faults(_ lines: [JSONValue]) -> [String] {
            lines.flatMap { line -> [String] in
                guard let event = line["event"]?.string.flatMap({ LoggedEvent(rawValue: $0) }) else {
                    return ["no event: \(line)"]
                }
                let names = Set(line.fields?.map(\.name) ?? [])
                let missing = Set(["time", "level", "message"]).subtracting(names)
                // A library has fields of its own.
                guard event != .library else { return missing.map { "library: no \($0)" } }
                let known = Set(event.details.fields.map(\.rawValue)).union(["time", "level", "event", "message"])
                return (missing.union(names.subtracting(known))).map { "\(event.name): \($0)" }
            }
        }

        @Test("JSON lines have the events and fields of the table, and jq reads them")
        func jsonLines() async throws {
            let tally = try await TallyProcess.start([
                "LOG_FORMAT": "json", "LOG_LEVEL": "debug", "FLUSH_SCHEDULE": Deployment.everySecond,
                "READ_ALLOWED_IPS": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1",
            ])
            let connection = try await TestConnection.connect(port: tally.port)
            #expect(try await connection.request(.GET, Self.track + "a%22b").status == 200)
            #expect(try await connection.request(.GET, "/track?clientName=acme").status == 400)
            #expect(
                try await connection.request(.GET, "/clients", headers: ["X-Forwarded-For": "192.0.2.1"]).status == 403)
            try await eventually("a flush") {
                try await connection.request(.GET, "/get-metric?clientName=acme").status == 200
            }
            #expect(try await tally.terminate() == 0)
            let lines = try self.lines(tally.log)
            #expect(self.faults(lines) == [])
            func has(_ event: LoggedEvent, _ fields: [String: String] = [:]) -> Bool {
                lines.contains { line in
                    line["event"]?.string == event.name && fields.allSatisfy { line[$0.key]?.string == $0.value }
                }
            }
            #expect(has(.started, ["buffer": "embedded", "store": "embedded"]))
            #expect(has(.tracked, ["client": "acme", "test": "cta", "variation": "a\"b", "tracked_event": "view"]))
            #expect(has(.requestRefused, ["status": "400", "address": "127.0.0.1", "problem": "invalid"]))
            #expect(has(.requestRefused, ["status": "403", "address": "192.0.2.1", "path": "/clients"]))
            #expect(has(.batchApplied, ["buffer": "embedded", "counters": "1"]))
            #expect(has(.jobDone, ["job": "flush"]))
            #expect(has(.stopped))
            #expect(
                lines.contains { $0["message"]?.string?.contains("moved 1 count of 1 counter into 1 document") == true }
            )

            let filter = #"select(.event == "request_refused") | .status"#
            let (exit, output) = try await ToolRun.run("jq", ["-r", filter], input: tally.log)
            #expect(exit == .code(0) && output == "400\n403\n", "\(output)")
        }

        @Test("a sane X-Request-ID is kept, another is replaced; answer and log have the same")
        func requestIDs() async throws {
            let tally = try await TallyProcess.start(["LOG_FORMAT": "json"])
            let connection = try await TestConnection.connect(port: tally.port)
            func id(_ path: String, _ given: String?) async throws -> String? {
                try await connection.request(.GET, path, headers: given.map { ["x-request-ID": $0] } ?? [:])
                    .header("x-request-id")
            }
            for path in [Self.track + "A", "/track", "/livez", "/nothing", "/get-metric"] {
                #expect(try await id(path, "call-7/a") == "call-7/a", "\(path)")
                let made = try await id(path, "two words")
                #expect(made != "two words")
                #expect((made == nil) == path.hasPrefix(Self.track), "\(path)")
            }
            #expect(try await id(Self.track + "A", nil) == nil, "nothing is logged about it")
            let refused = try #require(try await id("/track", nil))
            #expect(refused.count == 32)
            let batch = try await connection.request(
                .POST, "/track", headers: ["content-type": "application/json", "X-Request-ID": "batch"],
                body: #"[{"clientName":"acme","testID":"cta","variation":"A","count":3}]"#)
            #expect(batch.header("x-request-id") == "batch" && batch.text == #"{"status":"counted","accepted":3}"#)
            let logged = try self.lines(tally.log).filter { $0["event"]?.string == "request_refused" }
            #expect(logged.last?["request_id"]?.string == refused)
            #expect(logged.first?["request_id"]?.string == "call-7/a")
        }

        @Test("answers to pipelined requests have each their own ID")
        func pipelinedIDs() async throws {
            let tally = try await TallyProcess.start()
            var bytes = ""
            for number in 0..<40 {
                let path = number % 3 == 0 ? "/livez" : Self.track + "A"
                let id = number % 2 == 0 ? "X-Request-ID: r\(number)\r\n" : ""
                bytes += "GET \(path) HTTP/1.1\r\nHost: x\r\n\(id)\(number == 39 ? "Connection: close\r\n" : "")\r\n"
            }
            let answer = String(
                decoding: try await TestConnection.rawExchange(port: tally.port, Array(bytes.utf8), halfClose: false),
                as: UTF8.self)
            let answers = answer.components(separatedBy: "HTTP/1.1 200 OK").dropFirst()
            #expect(answers.count == 40)
            for (number, text) in answers.enumerated() {
                let id = text.firstMatch(of: /(?i)x-request-id: (\S+)/).map { String($0.output.1) }
                if number % 2 == 0 {
                    #expect(id == "r\(number)")
                } else {
                    #expect((id != nil) == (number % 3 == 0), "\(number)")
                }
            }
        }

        @Test("the access log has a line for each request, or for each Nth, in a file that may be renamed")
        func accessLog() async throws {
            let folder = try TemporaryDirectory("access-log")
            let file = folder.url.appendingPathComponent("access.log")
            let tally = try await TallyProcess.start(["LOG_FORMAT": "json", "ACCESS_LOG": file.path])
            func read(_ file: URL) throws -> [JSONValue] { try self.lines(String(contentsOf: file, encoding: .utf8)) }
            let connection = try await TestConnection.connect(port: tally.port)
            // That the service is up was asked, too.
            let started = try await self.waitForLines(file) { $0.last?["path"]?.string == "/livez" }.count
            _ = try await connection.request(.GET, Self.track + "A", headers: ["X-Request-ID": "one"])
            let unnamed = try await connection.request(.GET, Self.track + "A")
            _ = try await connection.request(.POST, "/track", body: "x")
            _ = try await connection.request(.GET, "/get-metric?clientName=acme")
            let lines = try await self.waitForLines(file) { $0.count >= started + 4 }.suffix(4)
            #expect(self.faults(Array(lines)) == [])
            #expect(lines.map { $0["status"]?.string } == ["200", "200", "415", "404"])
            #expect(lines.map { $0["path"]?.string } == ["/track", "/track", "/track", "/get-metric"])
            #expect(lines.map { $0["method"]?.string } == ["GET", "GET", "POST", "GET"])
            #expect(lines.first?["request_id"]?.string == "one")
            #expect(lines.dropFirst().first?["request_id"]?.string == unnamed.header("x-request-id"))
            #expect(lines.allSatisfy { $0["address"]?.string == "127.0.0.1" && $0["every"]?.string == "1" })
            #expect(lines.allSatisfy { $0["duration_ms"]?.string.flatMap { Double($0) } ?? -1 >= 0 })

            try FileManager.default.moveItem(at: file, to: folder.url.appendingPathComponent("access.log.1"))
            _ = try await connection.request(.GET, Self.track + "A")
            let fresh = try await self.waitForLines(file) { !$0.isEmpty }
            #expect(fresh.count == 1)
            #expect(!tally.log.contains(#""event":"request""#))
        }

        @Test("a request that could not be read has its line too")
        func unreadable() async throws {
            let folder = try TemporaryDirectory("access-log")
            let file = folder.url.appendingPathComponent("access.log")
            let tally = try await TallyProcess.start(["LOG_FORMAT": "json", "ACCESS_LOG": file.path])
            let started = try await self.waitForLines(file) { $0.last?["path"]?.string == "/livez" }.count
            let long = String(repeating: "x", count: 40_000)
            let requests = [
                "nonsense\r\n\r\n",
                "GET /track HTTP/1.1\r\nHost: x\r\nCookie: \(long)\r\n\r\n",
                "GET /clients HTTP/1.1\r\nX-Request-ID: two-hosts\r\nHost: x\r\nHost: y\r\n\r\n",
                "POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n",
            ]
            for request in requests {
                _ = try await TestConnection.rawExchange(port: tally.port, Array(request.utf8), halfClose: false)
            }
            let lines = try await self.waitForLines(file) { $0.count >= started + 4 }.suffix(4)
            #expect(self.faults(Array(lines)) == [])
            #expect(lines.map { $0["status"]?.string } == ["400", "431", "400", "413"])
            #expect(lines.map { $0["method"]?.string } == ["-", "-", "GET", "POST"])
            #expect(lines.map { $0["path"]?.string } == ["-", "-", "-", "/track"])
            #expect(lines.allSatisfy { $0["address"]?.string == "127.0.0.1" })
            #expect(lines.dropFirst(2).first?["request_id"]?.string == "two-hosts")
        }

        @Test("one line for so many requests, on standard output where that is asked for")
        func sampled() async throws {
            let tally = try await TallyProcess.start([
                "LOG_FORMAT": "json", "ACCESS_LOG": "-", "ACCESS_LOG_EVERY": "50",
            ])
            let connection = try await TestConnection.connect(port: tally.port)
            for _ in 1...500 { #expect(try await connection.request(.GET, Self.track + "A").status == 200) }
            func count() throws -> Int { try self.lines(tally.log).count { $0["event"]?.string == "request" } }
            try await eventually("the lines") { try count() >= 10 }
            #expect(try count() <= 12)
            #expect(tally.log.contains(#""every":"50""#))

            let (exit, output) = try await TallyProcess.run(["serve"], settings: ["ACCESS_LOG": "/nowhere/access.log"])
            #expect(exit == .code(78) && output.contains("ACCESS_LOG"), "\(output)")
        }

        @Test("an access log that finds no room loses its lines, which is said, and no counts")
        func accessLogOnFullDisk() async throws {
            let tally = try await TallyProcess.start(["LOG_FORMAT": "json", "ACCESS_LOG": "/dev/full"])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            try await eventually("the loss to be said", log: { tally.log }) {
                try self.lines(tally.log).contains {
                    $0["event"]?.string == "access_log_lost" && $0["reason"]?.string == "No space left on device"
                        && $0["count"]?.string.flatMap { Int($0) } ?? 0 > 0
                }
            }
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
        }

        @Test("a reader of standard output that stalls holds nothing up; the lines that found no room are told")
        func stalledReader() async throws {
            let pipe = try NamedPipe()
            let tally = try await TallyProcess.start(["LOG_FORMAT": "json", "LOG_LEVEL": "debug"], output: .pipe(pipe))
            let connection = try await TestConnection.connect(port: tally.port)
            // Some 200 bytes each, where a pipe takes 64 KiB.
            for _ in 1...2_000 { #expect(try await connection.request(.GET, Self.track + "A").status == 200) }
            let first = try self.lines(pipe.read())
            #expect(first.count > 100 && self.faults(first) == [])
            #expect(try await connection.request(.GET, Self.track + "A").status == 200)
            let then = try self.lines(pipe.read())
            let lost = then.first?["count"]?.string.flatMap { Int($0) } ?? 0
            #expect(then.first?["event"]?.string == "log_lost" && self.faults(then) == [], "\(then)")
            #expect((first + then).count { $0["event"]?.string == "tracked" } + lost >= 2_001)
        }

        @Test("lines of both logs stay whole on standard output, however slowly they are read")
        func bothLogs() async throws {
            let pipe = try NamedPipe()
            let tally = try await TallyProcess.start(
                ["LOG_FORMAT": "json", "LOG_LEVEL": "debug", "ACCESS_LOG": "-"], output: .pipe(pipe))
            var text = ""
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let connection = try await TestConnection.connect(port: tally.port)
                        for _ in 0..<500 {
                            #expect(try await connection.request(.GET, Self.track + "A").status == 200)
                        }
                    }
                }
                group.addTask { for _ in 0..<100 { try await Task.sleep(for: .milliseconds(5)) } }
                while try await group.next() != nil { text += pipe.read() }
            }
            try await eventually("the end of the access log") {
                text += pipe.read()
                return text.matches(of: /"event":"request"/).count >= 4_000
            }
            #expect(try self.faults(self.lines(text)) == [])

            // Nobody reads any more, and the service ends all the same.
            let connection = try await TestConnection.connect(port: tally.port)
            for _ in 0..<1_000 { #expect(try await connection.request(.GET, Self.track + "A").status == 200) }
            #expect(try await tally.terminate() == 0)
        }

        @Test("where standard output is closed, nothing else gets its number and the log lines with it")
        func closedOutput() async throws {
            let tally = try await TallyProcess.start(["LOG_LEVEL": "debug"], output: .closed)
            let folder = "/proc/\(try #require(tally.pid))/fd/"
            for descriptor in 0...2 {
                let file = try FileManager.default.destinationOfSymbolicLink(atPath: folder + String(descriptor))
                #expect(file == "/dev/null")
            }
            for _ in 0..<100 {
                #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            }
            #expect(try await tally.terminate() == 0)
        }

        @Test("a reader of standard output that goes away stops nothing")
        func readerGone() async throws {
            let pipe = try NamedPipe()
            pipe.close()
            let tally = try await TallyProcess.start(
                ["LOG_LEVEL": "debug", "FLUSH_SCHEDULE": Deployment.everySecond], output: .pipe(pipe))
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            try await eventually("a flush") {
                try await TestConnection.once(port: tally.port, .GET, "/get-metric?clientName=acme").status == 200
            }
            #expect(try await tally.terminate() == 0)
        }

        private func waitForLines(_ file: URL, _ condition: ([JSONValue]) -> Bool) async throws -> [JSONValue] {
            var lines: [JSONValue] = []
            try await eventually("lines of the access log") {
                lines = try self.lines(String(contentsOf: file, encoding: .utf8))
                return condition(lines)
            }
            return lines
        }

        @Test("no line holds a password, whatever goes wrong", arguments: ["text", "json"])
        func secrets(_ format: String) async throws {
            let redis = try await RedisServer.start(appendfsync: nil, password: "hunter2/redis")
            let mongo = try await MongoServer.shared()
            let database = mongo.uniqueDatabase()
            let uri = mongo.uri(database: database).replacing("mongodb://", with: "mongodb://ann:hunter2%2Fmongo@")
            for redisPassword in ["hunter2%2Fredis", "hunter2%2Fwrong"] {
                let settings = [
                    "REDIS_URL": "redis://:\(redisPassword)@127.0.0.1:\(redis.port)", "MONGODB_URI": uri,
                    "LOG_FORMAT": format, "LOG_LEVEL": "trace", "FLUSH_SCHEDULE": Deployment.everySecond,
                    "ACCESS_LOG": "-",
                ]
                let tally = try await TallyProcess.start(settings)
                _ = try await TestConnection.once(port: tally.port, .GET, Self.track + "A")
                var seen = ""
                for path in ["/readyz", "/audit", "/clients", "/metrics", "/get-metric?clientName=acme"] {
                    seen += try await TestConnection.once(port: tally.port, .GET, path).text
                }
                try await eventually(within: .seconds(30), "a flush to fail, since the password is wrong") {
                    tally.log.contains("cron job flush failed")
                }
                for command in [["config"], ["check"], ["flush"]] { seen += try await tally.run(command).output }
                _ = try await redis.command(["CLIENT", "KILL", "TYPE", "normal"])
                _ = try? await TestConnection.once(port: tally.port, .GET, Self.track + "A")
                try await tally.terminate()
                #expect(!(tally.log + seen).contains("hunter2"), "\(tally.log)\(seen)")
            }
        }

        @Test("a flood of refused requests becomes a few lines and a sum")
        func flood() async throws {
            let tally = try await TallyProcess.start()
            let connection = try await TestConnection.connect(port: tally.port)
            for _ in 0..<2_000 { #expect(try await connection.request(.GET, "/track?clientName=a.b").status == 400) }
            try await eventually("the sum", log: { tally.log }) { tally.log.contains("not logged one by one") }
            #expect(tally.log.split(separator: "\n").count < 200)
        }
    }
}
