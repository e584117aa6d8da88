import NIOHTTP1
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// No request is read in two ways, whoever else reads it on the way: what lies in the store is what one reading
    /// gives.
    @Suite struct Smuggling {
        private static func statuses(_ answer: [UInt8]) -> [Int] {
            String(decoding: answer, as: UTF8.self).components(separatedBy: "HTTP/1.1 ").dropFirst()
                .compactMap { Int($0.prefix(3)) }
        }

        private static func counted(_ answer: [UInt8]) -> Int {
            String(decoding: answer, as: UTF8.self).components(separatedBy: #"{"status":"counted"}"#).count - 1
        }

        private static func count(_ counts: [Counter: Int64], _ id: Int, _ variation: String) -> Int64 {
            counts[Counter(client: "acme", test: Name("case-\(id)"), variation: Name(variation))] ?? 0
        }

        @Test(
            "directly, every request that could be read in two ways has one reading or is refused and the connection closed"
        )
        func directly() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            for (id, request) in AmbiguousRequest.all.enumerated() {
                // A refusal closes by itself; after a good answer the caller has to.
                let closes = request.statuses.last.map { $0 < 400 || $0 == 415 } ?? true
                do {
                    let answer = try await TestConnection.rawExchange(
                        port: tally.port, request.bytes(id: id), halfClose: closes, within: .seconds(5))
                    #expect(
                        Self.statuses(answer) == request.statuses,
                        "\(request.name): \(String(decoding: answer, as: UTF8.self))")
                } catch {
                    Issue.record("\(request.name): \(error)")
                }
            }
            try await deployment.flush(tally)
            let counts = try await deployment.countedInStore(clients: ["acme"])
            for (id, request) in AmbiguousRequest.all.enumerated() {
                #expect(Self.count(counts, id, "outer") == Int64(request.outer), "\(request.name)")
                #expect(Self.count(counts, id, "inner") == Int64(request.inner), "\(request.name)")
            }
            #expect(tally.isRunning)
        }

        @Test("split anywhere, they are read as in one piece", arguments: [1, 7])
        func inPieces(size: Int) async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            let requests = AmbiguousRequest.all.enumerated().filter { $0.element.bytes(id: 0).count < 600 }
            await withTaskGroup(of: Void.self) { group in
                for (id, request) in requests {
                    group.addTask {
                        do {
                            let connection = try await ByteConnection.connect(port: tally.port)
                            let bytes = request.bytes(id: id)
                            // What is refused early takes no more bytes.
                            for start in stride(from: 0, to: bytes.count, by: size) where connection.isOpen {
                                try? await connection.send(Array(bytes[start..<min(start + size, bytes.count)]))
                            }
                            try? await connection.finishSending()
                            let answer = try await connection.receiveUntilClosed()
                            #expect(Self.statuses(answer) == request.statuses, "\(request.name)")
                        } catch {
                            Issue.record("\(request.name): \(error)")
                        }
                    }
                }
            }
            try await deployment.flush(tally)
            let counts = try await deployment.countedInStore(clients: ["acme"])
            for (id, request) in requests {
                #expect(Self.count(counts, id, "outer") == Int64(request.outer), "\(request.name)")
                #expect(Self.count(counts, id, "inner") == Int64(request.inner), "\(request.name)")
            }
        }

        @Test(
            "behind nginx, what is counted is what its caller was told, and no other caller gets a stranger's answer",
            arguments: [true, false])
        func behindNginx(buffersRequests: Bool) async throws {
            let deployment = try await Deployment.start(.embedded)
            var settings = deployment.settings(flush: Deployment.never)
            settings["TRUSTED_PROXIES"] = NginxServer.address
            let tally = try await TallyProcess.start(settings)
            let nginx = try await NginxServer.start(to: tally.port, buffersRequests: buffersRequests)
            let told = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                for (id, request) in AmbiguousRequest.all.enumerated() {
                    group.addTask {
                        let answer = try await TestConnection.rawExchange(
                            port: nginx.port, request.bytes(id: id), halfClose: false, within: .seconds(20))
                        return (id, Self.counted(answer))
                    }
                }
                // Meanwhile others use the same connections to tally. Each knows its answer by its number.
                for caller in 1...8 {
                    group.addTask {
                        for round in 1...20 {
                            let count = caller * 1_000 + round
                            let body =
                                #"[{"clientName":"acme","testID":"others","variation":"v","count":\#(count)}]"#
                            let answer = try await TestConnection.once(
                                port: nginx.port, .POST, "/track", headers: ["Content-Type": "application/json"],
                                body: Array(body.utf8))
                            #expect(answer.text == #"{"status":"counted","accepted":\#(count)}"#)
                        }
                        return (-1, 0)
                    }
                }
                return try await group.reduce(into: [Int: Int]()) { $0[$1.0] = $1.1 }
            }
            try await deployment.flush(tally)
            let counts = try await deployment.countedInStore(clients: ["acme"])
            for (id, request) in AmbiguousRequest.all.enumerated() {
                let outer = Self.count(counts, id, "outer")
                let inner = Self.count(counts, id, "inner")
                #expect(outer + inner == Int64(told[id] ?? 0), "\(request.name)")
                #expect(outer <= 1 && inner <= 1, "\(request.name)")
                // Two answers are the only way for the hidden one to be a request.
                if inner == 1 { #expect(outer == 1 || request.outer == 0, "\(request.name)") }
            }
            // 20 times 1,000 to 8,000, and 8 times 1 to 20.
            let others: Int64 = 20 * 36_000 + 8 * 210
            #expect(counts[Counter(client: "acme", test: "others", variation: "v")] == others)
        }
    }
}
