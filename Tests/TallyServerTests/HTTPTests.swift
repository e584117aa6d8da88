import Foundation
import NIOHTTP1
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// What a client sees, answer by answer.
    @Suite struct HTTP {
        private func start(_ settings: [String: String] = [:]) async throws -> (Deployment, TallyProcess) {
            let deployment = try await Deployment.start(.embedded)
            let own = deployment.settings(flush: Deployment.never).merging(settings) { $1 }
            return (deployment, try await TallyProcess.start(own))
        }

        private func total(_ deployment: Deployment, _ tally: TallyProcess, client: Name = "acme") async throws -> Int64
        {
            try await deployment.flush(tally)
            return try await deployment.countedByAPI(tally, clients: [client]).values.reduce(0, +)
        }

        @Test("one count is answered as the contract says")
        func single() async throws {
            let (_, tally) = try await self.start()
            let response = try await TestConnection.once(
                port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=B")
            #expect(response.status == 200)
            #expect(response.text == #"{"status":"counted"}"#)
            #expect(response.header("cache-control") == "no-store")
            #expect(response.header("content-type") == "application/json")
            #expect(response.header("date") != nil)
        }

        @Test("a batch is answered with the sum of its counts, and one bad item refuses all of it")
        func batches() async throws {
            let (deployment, tally) = try await self.start()
            let connection = try await TestConnection.connect(port: tally.port)
            let json: HTTPHeaders = ["Content-Type": "application/json"]
            let item = #"{"clientName":"acme","testID":"cta","variation":"B","count":5}"#
            let good = try await connection.request(.POST, "/track", headers: json, body: "[\(item),\(item)]")
            #expect(good.status == 200)
            #expect(good.text == #"{"status":"counted","accepted":10}"#)
            let bad = try await connection.request(
                .POST, "/track", headers: json,
                body: #"[\#(item),{"clientName":"acme","testID":"cta","variation":"","count":0}]"#)
            #expect(bad.status == 400)
            #expect(
                try bad.json()["errors"]?.array?.compactMap { $0["parameter"]?.string } == [
                    "[1].variation", "[1].count",
                ])
            #expect(try await connection.request(.POST, "/track", headers: json, body: "[]").status == 400)
            let many = "[" + Array(repeating: item, count: 1_001).joined(separator: ",") + "]"
            #expect(try await connection.request(.POST, "/track", headers: json, body: many).status == 400)
            let most = "[" + Array(repeating: item, count: 1_000).joined(separator: ",") + "]"
            #expect(
                try await connection.request(.POST, "/track", headers: json, body: most).text
                    == #"{"status":"counted","accepted":5000}"#)
            let lines = try await connection.request(
                .POST, "/track", headers: ["Content-Type": "application/x-ndjson"], body: item + "\r\n\n" + item)
            #expect(lines.text == #"{"status":"counted","accepted":10}"#)
            #expect(try await self.total(deployment, tally) == 5_020)
        }

        @Test("HEAD and OPTIONS count nothing, other methods are refused with Allow")
        func methods() async throws {
            let (deployment, tally) = try await self.start()
            let path = "/track?clientName=acme&testID=cta&variation=B"
            let connection = try await TestConnection.connect(port: tally.port)
            #expect(try await connection.request(.GET, path).status == 200)
            #expect(try await connection.request(.OPTIONS, path).status == 204)
            for method in [HTTPMethod.PUT, .DELETE, .PATCH] {
                let response = try await connection.request(method, path)
                #expect(response.status == 405)
                #expect(response.header("allow") == "GET, HEAD, POST, OPTIONS")
            }
            let head = try await TestConnection.rawExchange(
                port: tally.port, Array("HEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8))
            let text = String(decoding: head, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(text.hasSuffix("\r\n\r\n"), "an answer to HEAD has no body")
            #expect(try await self.total(deployment, tally) == 1)
        }

        @Test("unknown paths, wrong methods and unknown types are told apart")
        func refusals() async throws {
            let (_, tally) = try await self.start()
            let connection = try await TestConnection.connect(port: tally.port)
            #expect(try await connection.request(.GET, "/nothing").status == 404)
            #expect(try await connection.request(.GET, "/track/").status == 404)
            #expect(try await connection.request(.GET, "/tracks?clientName=acme").status == 404)
            let wrong = try await connection.request(.POST, "/get-metric?clientName=acme", body: "")
            #expect(wrong.status == 405)
            #expect(wrong.header("allow") == "GET, HEAD")
            #expect(
                try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/xml"], body: "<a/>"
                ).status == 415)
            #expect(try await connection.request(.POST, "/track", body: "clientName=acme").status == 415)
            #expect(
                try await connection.request(.POST, "/track", headers: ["Content-Type": "application/json"], body: "{")
                    .status == 400)
            let item = #"{"clientName":"acme","testID":"cta","variation":"B"}"#
            for (encoding, status) in [("gzip", 415), ("br", 415), ("gzip, identity", 415), ("Identity", 200)] {
                let answer = try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/json", "Content-Encoding": encoding],
                    body: item)
                #expect(answer.status == status, "\(encoding)")
                #expect(status == 200 || answer.text.contains("Content-Encoding \(encoding)"), "\(answer.text)")
            }
            let missing = try await connection.request(.GET, "/track")
            #expect(missing.status == 400)
            #expect(missing.header("content-type") == "application/problem+json")
            let problem = try missing.json()
            #expect(
                problem["errors"]?.array?.compactMap { $0["parameter"]?.string } == [
                    "clientName", "testID", "variation",
                ])
            for key in ["type", "title", "status", "detail"] { #expect(problem[key] != nil) }
        }

        @Test("a large client is read by many at once, each of whom gets all of it; and by who asks for its head alone")
        func largeAnswers() async throws {
            let (deployment, tally) = try await self.start()
            let connection = try await TestConnection.connect(port: tally.port)
            let long = String(repeating: "v", count: 60)
            for test in 0..<10 {
                for event in 0..<20 {
                    let lines = (0..<100).map { number in
                        #"{"clientName":"large","testID":"t\#(test)","variation":"\#(long)\#(number)","event":"e\#(event)"}"#
                    }
                    let answer = try await connection.request(
                        .POST, "/track", headers: ["Content-Type": "application/x-ndjson"],
                        body: lines.joined(separator: "\n"))
                    #expect(answer.status == 200)
                }
            }
            try await deployment.flush(tally)
            let path = "/get-metric?clientName=large"
            let answers = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for _ in 0..<12 {
                    group.addTask { try await TestConnection.once(port: tally.port, .GET, path) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.map(\.status) == Array(repeating: 200, count: 12), "\(answers[0].text.prefix(300))")
            let tests = try #require(answers.first?.json()["tests"]?.array)
            #expect(tests.count == 10)
            #expect(tests.allSatisfy { $0["events"]?.fields?.count == 20 })
            #expect(answers.allSatisfy { $0.status == 200 && $0.body == answers[0].body })
            #expect(answers[0].body.count > 1 << 20)
            // An answer without its body gives its place back, too.
            for _ in 0..<6 {
                let head = try await TestConnection.rawExchange(
                    port: tally.port,
                    Array("HEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8))
                #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
            }
            #expect(try await TestConnection.once(port: tally.port, .GET, path).status == 200)
        }

        @Test("what cannot be understood has its answer after those to what came before")
        func garbageInARow() async throws {
            let (_, tally) = try await self.start()
            let answers = try await TestConnection.rawExchange(
                port: tally.port,
                Array(
                    ("GET /track?clientName=acme&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\n\r\n"
                        + "GET /get-metric?clientName=nobody HTTP/1.1\r\nHost: x\r\n\r\n" + "garbage\r\n\r\n").utf8),
                halfClose: false)
            let statuses = String(decoding: answers, as: UTF8.self).split(separator: "HTTP/1.1 ").map { $0.prefix(3) }
            #expect(statuses == ["200", "404", "400"])
        }

        @Test("a caller who may not call, and asks before it sends a body, is told at once")
        func expectation() async throws {
            let (_, tally) = try await self.start(["TRACK_ALLOWED_IPS": "192.0.2.1"])
            let answer = try await TestConnection.rawExchange(
                port: tally.port,
                Array(
                    "POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n".utf8))
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 403 "))
        }

        @Test("a body over 1 MiB is refused, whether its length is announced or not")
        func tooLarge() async throws {
            let (_, tally) = try await self.start()
            let body = [UInt8](repeating: UInt8(ascii: " "), count: (1 << 20) + 1)
            let announced = try await TestConnection.once(
                port: tally.port, .POST, "/track", headers: ["Content-Type": "application/json"], body: body)
            #expect(announced.status == 413)
            let chunk = [UInt8](repeating: UInt8(ascii: " "), count: 1 << 16)
            var request = Array(
                "POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .utf8)
            for _ in 0..<17 {
                request += Array("10000\r\n".utf8) + chunk + Array("\r\n".utf8)
            }
            request += Array("0\r\n\r\n".utf8)
            let chunked = try await TestConnection.rawExchange(port: tally.port, request)
            #expect(String(decoding: chunked, as: UTF8.self).hasPrefix("HTTP/1.1 413 "))
        }

        @Test("pipelined requests are answered in their order, whoever answers them")
        func pipelining() async throws {
            let (_, tally) = try await self.start()
            let track = "/track?clientName=acme&testID=cta&variation="
            let targets = (0..<200).map { index in
                switch index % 5 {
                case 0: ("\(track)v\(index)", 200)
                case 1: ("/livez", 200)
                case 2: ("\(track)", 400)
                case 3: ("/nothing-\(index)", 404)
                default: ("\(track)w", 200)
                }
            }
            var bytes: [UInt8] = []
            for (target, _) in targets { bytes += Array("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n".utf8) }
            bytes += Array("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)
            let answers = String(
                decoding: try await TestConnection.rawExchange(port: tally.port, bytes, halfClose: false), as: UTF8.self
            )
            let statuses = answers.components(separatedBy: "HTTP/1.1 ").dropFirst().compactMap { Int($0.prefix(3)) }
            #expect(statuses == targets.map(\.1) + [200])
        }

        @Test("a client that closes its side after the request still gets its answer")
        func halfClosed() async throws {
            let (_, tally) = try await self.start()
            let answer = try await TestConnection.rawExchange(
                port: tally.port,
                Array("GET /track?clientName=acme&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            #expect(String(decoding: answer, as: UTF8.self).hasSuffix(#"{"status":"counted"}"#))
        }

        @Test(
            "a request that ends before it is complete is refused, and not counted",
            arguments: [
                "GET /track?clientName=acme&testID=cta&vari",
                "GET /track?clientName=acme&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\nX-Half",
                "GET /track?clientName=acme&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\n",
                "POST /track?clientName=acme&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[",
            ])
        func cutShort(request: String) async throws {
            let (deployment, tally) = try await self.start()
            let answer = try await TestConnection.rawExchange(port: tally.port, Array(request.utf8))
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
            try await deployment.flush(tally)
            #expect(try await deployment.countedInStore(clients: ["acme"]).isEmpty)
        }

        @Test("HTTP/1.0 closes, unless it asks to stay")
        func oldHTTP() async throws {
            let (_, tally) = try await self.start()
            let answer = try await TestConnection.rawExchange(
                port: tally.port, Array("GET /track?clientName=acme&testID=cta&variation=B HTTP/1.0\r\n\r\n".utf8),
                halfClose: false)
            #expect(String(decoding: answer, as: UTF8.self).contains("Connection: close\r\n"))
        }

        @Test("what is no HTTP is refused and the connection closed")
        func noHTTP() async throws {
            let (_, tally) = try await self.start()
            let answer = try await TestConnection.rawExchange(
                port: tally.port, Array("this is no request\r\n\r\n".utf8), halfClose: false)
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
        }

        @Test("bounds on names are answered with 422, and known names go on")
        func bounds() async throws {
            let (_, tally) = try await self.start(["MAX_VARIATIONS_PER_TEST": "1", "MAX_CLIENTS": "1"])
            let connection = try await TestConnection.connect(port: tally.port)
            #expect(try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=A").status == 200)
            let variation = try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=B")
            #expect(variation.status == 422)
            #expect(try variation.json()["errors"]?.array?.first?["parameter"]?.string == "variation")
            #expect(try await connection.request(.GET, "/track?clientName=other&testID=cta&variation=A").status == 422)
            #expect(try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=A").status == 200)
        }

        @Test("numbers are read as JSON and CSV, for one test too, with an ETag")
        func reading() async throws {
            let (deployment, tally) = try await self.start()
            let connection = try await TestConnection.connect(port: tally.port)
            for query in [
                "testID=b&variation=B", "testID=b&variation=A", "testID=a,%22&variation=B&event=buy",
                "testID=b&variation=B",
            ] {
                #expect(try await connection.request(.GET, "/track?clientName=acme&\(query)").status == 200)
            }
            #expect(try await connection.request(.GET, "/get-metric?clientName=acme").status == 404)
            try await deployment.flush(tally)
            let all = try await connection.request(.GET, "/get-metric?clientName=acme")
            #expect(try all.json()["tests"]?.array?.compactMap { $0["testID"]?.string } == ["a,\"", "b"])
            let one = try await connection.request(.GET, "/get-metric?clientName=acme&testID=b")
            #expect(try one.json()["tests"]?.array?.count == 1)
            #expect(try one.json()["tests"]?[0]?["total"]?.integer == 3)
            #expect(try one.json()["tests"]?[0]?["variations"]?["B"]?.integer == 2)
            let csv = try await connection.request(.GET, "/get-metric?clientName=acme", headers: ["Accept": "text/csv"])
            #expect(csv.text == "testID,variation,event,count\r\n\"a,\"\"\",B,buy,1\r\nb,A,view,1\r\nb,B,view,2\r\n")
            let tag = try #require(all.header("etag"))
            let same = try await connection.request(
                .GET, "/get-metric?clientName=acme", headers: ["If-None-Match": tag])
            #expect(same.status == 304)
            #expect(same.body.isEmpty)
            let clients = try await connection.request(.GET, "/clients")
            #expect(try clients.json()["clients"]?[0]?["tests"]?.integer == 2)
            #expect(try clients.json()["clients"]?[0]?["total"]?.integer == 3)
            for bad in [
                "", "?clientName=", "?clientName=a.b", "?clientName=%zz", "?clientName=a&clientName=b",
                "?clientName=acme&testID=",
            ] {
                #expect(try await connection.request(.GET, "/get-metric\(bad)").status == 400, "\(bad)")
            }
        }
    }
}
