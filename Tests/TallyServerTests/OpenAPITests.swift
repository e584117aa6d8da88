import TallyCore
import TallyTestSupport
import Testing

@testable import tally

extension EndToEnd {
    /// The description of the HTTP interface, held to the interface.
    @Suite struct OpenAPI {
        private static let track = "/track?clientName=acme&testID=cta&variation="

        private func document(_ tally: TallyProcess) async throws -> JSONValue {
            try await TestConnection.once(port: tally.port, .GET, "/openapi.json").json()
        }

        @Test("it has the routes that there are, with their methods, and the program's version")
        func routes() async throws {
            let tally = try await TallyProcess.start()
            let document = try await self.document(tally)
            #expect(document["openapi"]?.string?.hasPrefix("3.1.") == true)
            #expect(document["info"]?["version"]?.string == Tally.version)
            let paths = try #require(document["paths"]?.fields)
            let unknown = try await TestConnection.once(port: tally.port, .GET, "/nothing").json()
            let listed = try #require(unknown["detail"]?.string?.split(separator: "there is ").last)
            #expect(Set(paths.map(\.name)) == Set(listed.split(separator: ", ").map(String.init)))
            for path in paths {
                let refused = try await TestConnection.once(port: tally.port, .PUT, path.name)
                #expect(refused.status == 405)
                var allowed = Set(refused.header("allow")?.split(separator: ", ").map { $0.lowercased() } ?? [])
                // Described once for all, in words.
                if path.name != "/track" { allowed.remove("head") }
                let methods = Set(path.value.fields?.map(\.name) ?? []).subtracting(["parameters"])
                #expect(methods == allowed, "\(path.name)")
            }
        }

        @Test("every response that it describes is given, as it is described")
        func responses() async throws {
            let open = try await TallyProcess.start([
                "MAX_VARIATIONS_PER_TEST": "1", "REQUEST_TIMEOUT_S": "1", "FLUSH_SCHEDULE": Deployment.everySecond,
            ])
            let closed = try await TallyProcess.start([
                "TRACK_ALLOWED_IPS": "192.0.2.1", "READ_ALLOWED_IPS": "192.0.2.1",
            ])
            let redis = try await RedisServer.start(appendfsync: nil)
            let awaySettings = [
                "REDIS_URL": redis.url, "MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200",
                "FLUSH_SCHEDULE": Deployment.never,
            ]
            let away = try await TallyProcess.start(awaySettings)
            let alsoAway = try await TallyProcess.start(awaySettings)
            let described = Described(document: try await self.document(open))
            var seen: Set<String> = []

            func see(_ answer: RawAnswer, _ method: String, _ path: String) {
                seen.insert("\(method) \(path) \(answer.status)")
                for fault in described.faults(of: answer, method, path) { Issue.record("\(fault)") }
            }
            func ask(
                _ tally: TallyProcess, _ method: String, _ path: String, query: String = "",
                headers: [String] = [], body: String? = nil
            ) async throws {
                let answer = try await RawAnswer.to(
                    method, path + query, headers: headers, body: body, port: tally.port)
                see(answer, method, path)
            }

            let names = "?clientName=acme&testID=cta&variation="
            let json = ["Content-Type: application/json"]
            let item = #"{"clientName":"acme","testID":"cta","variation":"A","eventID":"x"}"#

            // While Redis is silent, nobody knows what became of a batch that it was sent. One for each service: what is
            // gathered behind it is not sent.
            redis.pause()
            async let unknownGET = RawAnswer.to("GET", "/track\(names)A", port: away.port)
            async let unknownPOST = RawAnswer.to("POST", "/track", headers: json, body: item, port: alsoAway.port)
            see(try await unknownGET, "GET", "/track")
            see(try await unknownPOST, "POST", "/track")
            redis.resume()
            try await redis.kill()
            try await ask(away, "GET", "/track", query: "\(names)A&eventID=x")
            try await ask(away, "POST", "/track", headers: json, body: item)
            for path in ["/get-metric", "/clients", "/audit", "/readyz"] {
                try await ask(away, "GET", path, query: path == "/get-metric" ? "?clientName=acme" : "")
            }

            for method in ["HEAD", "OPTIONS", "GET", "POST"] {
                let isPost = method == "POST"
                try await ask(
                    closed, method, "/track", query: isPost ? "" : names + "A", headers: isPost ? json : [],
                    body: isPost ? item : nil)
            }
            for path in ["/get-metric", "/clients", "/audit", "/metrics", "/openapi.json"] {
                try await ask(closed, "GET", path, query: path == "/get-metric" ? "?clientName=acme" : "")
            }

            for method in ["HEAD", "OPTIONS", "GET"] { try await ask(open, method, "/track", query: names + "A") }
            try await ask(open, "GET", "/track", query: names + "B")
            try await ask(open, "GET", "/track")
            try await ask(open, "POST", "/track", headers: json, body: item)
            try await ask(
                open, "POST", "/track", headers: json, body: #"{"clientName":"acme","testID":"cta","variation":"B"}"#)
            try await ask(open, "POST", "/track", headers: json, body: "[\(item),{}]")
            try await ask(open, "POST", "/track", headers: ["Content-Type: application/xml"], body: "<a/>")
            let spaces = String(repeating: " ", count: (1 << 20) + 1)
            try await ask(open, "POST", "/track", headers: json, body: spaces)
            for method in ["GET", "POST"] {
                try await ask(
                    open, method, "/track", headers: ["X-Long: \(String(repeating: "x", count: 17_000))"],
                    body: method == "POST" ? "{}" : nil)
                see(
                    try await RawAnswer.toUnfinished("\(method) /track HTTP/1.1\r\nHost: x\r\n", port: open.port),
                    method,
                    "/track")
            }
            try await eventually("a flush") {
                try await TestConnection.once(port: open.port, .GET, "/get-metric?clientName=acme").status == 200
            }
            for path in ["/get-metric", "/clients", "/audit", "/metrics", "/openapi.json", "/livez", "/readyz"] {
                let query = path == "/get-metric" ? "?clientName=acme" : ""
                try await ask(open, "GET", path, query: query)
                try await ask(open, "GET", path, query: query, headers: ["If-None-Match: *"])
            }
            try await ask(open, "GET", "/get-metric", query: "?clientName=acme", headers: ["Accept: text/csv"])
            try await ask(open, "GET", "/get-metric", query: "?clientName=nobody")
            try await ask(open, "GET", "/get-metric")

            #expect(described.responses.subtracting(seen).isEmpty, "described and never given")
            #expect(seen.subtracting(described.responses).isEmpty, "given and not described")
        }

        @Test("schemathesis finds no fault with it")
        func schemathesis() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.everySecond, "LOG_LEVEL": "error"])
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.track + "A").status == 200)
            let (exit, report) = try await Schemathesis.run(against: tally.baseURL, within: .seconds(300))
            #expect(exit == .code(0), "\(report)")
            #expect(tally.isRunning)
        }
    }
}

/// An answer as it came over the wire; also to HEAD, and to what is no whole request.
private struct RawAnswer {
    let status: Int
    let headers: [String: String]
    let body: String

    static func to(
        _ method: String, _ target: String, headers: [String] = [], body: String? = nil, port: Int
    ) async throws -> RawAnswer {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: x", "Connection: close"] + headers
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        return try await self.toUnfinished(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""), port: port)
    }

    static func toUnfinished(_ bytes: String, port: Int) async throws -> RawAnswer {
        let answer = try await TestConnection.rawExchange(
            port: port, Array(bytes.utf8), halfClose: false, within: .seconds(60))
        let text = String(decoding: answer, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { throw TestSupportError("no answer: \(text)") }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw TestSupportError("no status: \(text)")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        return RawAnswer(status: status, headers: headers, body: String(text[end.upperBound...]))
    }
}

/// What the document says of answers.
private struct Described {
    let document: JSONValue

    /// `GET /track 200`, for each.
    var responses: Set<String> {
        var all: Set<String> = []
        for path in self.document["paths"]?.fields ?? [] {
            for operation in path.value.fields ?? [] {
                for response in operation.value["responses"]?.fields ?? [] {
                    all.insert("\(operation.name.uppercased()) \(path.name) \(response.name)")
                }
            }
        }
        return all
    }

    /// What is not as described in an answer, leaving the schema of its body to schemathesis.
    func faults(of answer: RawAnswer, _ method: String, _ path: String) -> [String] {
        let place = "\(method) \(path) \(answer.status)"
        let operation = self.document["paths"]?[path]?[method.lowercased()]
        guard let response = self.resolved(operation?["responses"]?["\(answer.status)"]) else {
            return ["\(place) is not described: \(answer.body)"]
        }
        var faults: [String] = []
        let type = answer.headers["content-type"]?.split(separator: ";").first.map(String.init)
        let types = response["content"]?.fields?.map(\.name) ?? []
        if let type, !answer.body.isEmpty, !types.contains(type) { faults.append("\(place): a body of \(type)") }
        if !types.isEmpty, answer.body.isEmpty { faults.append("\(place): no body") }
        for header in response["headers"]?.fields ?? [] {
            let isRequired = self.resolved(header.value)?["required"]?.bool == true
            if isRequired, answer.headers[header.name.lowercased()] == nil {
                faults.append("\(place): no \(header.name)")
            }
        }
        if type == "application/problem+json", !answer.body.isEmpty {
            let problem = try? JSONValue(parsing: Array(answer.body.utf8))
            if problem?["status"]?.integer != Int64(answer.status) { faults.append("\(place): \(answer.body)") }
        }
        return faults
    }

    private func resolved(_ value: JSONValue?) -> JSONValue? {
        guard let reference = value?["$ref"]?.string else { return value }
        return reference.split(separator: "/").dropFirst().reduce(self.document as JSONValue?) { $0?[String($1)] }
    }
}
