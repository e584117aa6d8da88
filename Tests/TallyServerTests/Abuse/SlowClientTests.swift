import Foundation
import NIOHTTP1
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    /// Callers who are slow on purpose cost a place for a while, and nobody else's time.
    @Suite struct SlowCallers {
        private static let path = "/track?clientName=acme&testID=cta&variation=B"

        @Test(
            "slow heads, slow bodies, slow readers and silence, all at once: the others are served, the slow ones closed"
        )
        func manyAtOnce() async throws {
            let number = Torture.rounds(full: 2_000, short: 200)
            let redis = try await RedisServer.start(appendfsync: nil)
            let tally = try await TallyProcess.start([
                "REDIS_URL": redis.url, "REQUEST_TIMEOUT_S": "3", "FLUSH_SCHEDULE": Deployment.never,
                "LOG_LEVEL": "error",
            ])
            let pid = try #require(tally.pid)
            let good = LoadGenerator.tracking(port: tally.port, connections: 256, counters: 50)
            _ = try await good.run(perSecond: 100, for: .seconds(1))
            // `make test` runs a debug build, on processors that others use as well: there it is enough that all of them
            // are served. That slow ones get only so much of the time is what `unread` holds.
            let within = Torture.isFull ? 250.0 : 10_000
            let before = try ProcessMemory.residentBytes(of: pid)
            let slow = SlowClients(port: tally.port, number: number)
            slow.start()
            defer { slow.stop() }
            let report = try await good.run(
                perSecond: Torture.isFull ? 200 : 100, for: .seconds(Torture.rounds(full: 60, short: 4)))
            let after = try ProcessMemory.residentBytes(of: pid)
            print(
                "\(number) slow callers: \(report.counted) of \(report.sent + report.withheld) good ones counted, "
                    + "\(report.share(within: within) * 100) % within \(Int(within)) ms, p50 "
                    + "\(report.milliseconds(at: 0.5)) ms, p99 \(report.milliseconds(at: 0.99)) ms; lost "
                    + "\(report.losses), refused \(report.refused), others \(report.others); "
                    + "\(slow.closed) slow ones closed, \(slow.requests) requests of those who read nothing; memory "
                    + "\(before >> 10) to \(after >> 10) KiB")
            #expect(slow.opened >= number)
            #expect(report.share(within: within) >= 0.99)
            #expect(report.lost == 0 && report.refused == 0 && report.others.isEmpty)
            // 64 KiB and less for each: nothing grows with what they send.
            #expect(after - before < 64 * 1024 * number)
            try await eventually(within: .seconds(20), "each of them to be closed", log: { "closed: \(slow.closed)" }) {
                SlowClients.Kind.allCases.allSatisfy { slow.closed($0) >= slow.number(of: $0) }
            }
        }

        @Test("a caller who reads nothing gets a few KiB of answers, and is read from no more")
        func unread() async throws {
            let deployment = try await Deployment.start(.embedded)
            let tally = try await TallyProcess.start(deployment.settings(flush: Deployment.never))
            try await SlowClients.sendWithoutReading(
                "GET \(Self.path) HTTP/1.1\r\nHost: tally\r\n\r\n", port: tally.port
            ) { sent in
                try await deployment.flush(tally)
                let counter = Counter(client: "acme", test: "cta", variation: "B")
                let counted = try await deployment.countedInStore(clients: ["acme"])[counter] ?? 0
                // 16 KiB of answers, what waits for the buffer, and what one read brings.
                #expect(counted > 0 && counted < 300, "\(counted) of \(sent) sent")
                #expect(sent > counted)
            }
        }

        @Test("bodies that do not end fill no memory: those who may not call have none, all others so many")
        func unfinishedBodies() async throws {
            let length = 1_000_000
            let head =
                "POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(length)\r\n\r\n"
            let bytes = Array(head.utf8) + [UInt8](repeating: UInt8(ascii: " "), count: length - 1)
            for (allowed, answers, atMost) in [
                ("192.0.2.1", ["403"], 24 << 20), ("127.0.0.1", ["400", "503"], 200 << 20),
            ] {
                let tally = try await TallyProcess.start([
                    "TRACK_ALLOWED_IPS": allowed, "FLUSH_SCHEDULE": Deployment.never, "LOG_LEVEL": "error",
                ])
                let pid = try #require(tally.pid)
                let before = try ProcessMemory.residentBytes(of: pid)
                var connections: [ByteConnection] = []
                for _ in 0..<400 {
                    let connection = try await ByteConnection.connect(port: tally.port)
                    // One that has its answer already takes no more.
                    try? await connection.send(bytes)
                    connections.append(connection)
                }
                var statuses: Set<String> = []
                for connection in connections {
                    try? await connection.send([UInt8(ascii: " ")])
                    let status = try await connection.receive { buffer in
                        buffer.readableBytes > 12 ? buffer.readString(length: 12) : nil
                    }
                    statuses.insert(String(status.suffix(3)))
                }
                // All has been read by now.
                let grown = try ProcessMemory.peakBytes(of: pid) - before
                #expect(grown < atMost, "\(allowed): \(grown >> 20) MiB more")
                #expect(statuses.sorted() == answers)
                // What they held is free again.
                let answer = try await TestConnection.once(
                    port: tally.port, .POST, "/track", headers: ["Content-Type": "application/json"],
                    body: [UInt8](repeating: UInt8(ascii: " "), count: length))
                #expect(String(answer.status) == answers[0])
                for connection in connections { await connection.close() }
            }
        }

        @Test("what was read is not kept, where read after read ends in the middle of a field")
        func pipelinedFields() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            let pid = try #require(tally.pid)
            let connection = try await ByteConnection.connect(port: tally.port)
            let request = "GET /track?clientName=&testID=cta&variation=B HTTP/1.1\r\nHost: x\r\nX-Long: "
            // As long as four reads, so that these end in the same places of every request.
            let bytes = Array((request + String(repeating: "x", count: 8_188 - request.utf8.count) + "\r\n\r\n").utf8)
            let requests = 4_000
            let first = Array("\(request)\(String(repeating: "x", count: 1_000))\r\n\r\n".utf8)
            let all = first + Array(repeating: bytes, count: requests - 1).flatMap { $0 }
            var before = 0
            // No piece ends where a request does, so that there is always something begun.
            for start in stride(from: 0, to: all.count, by: 99_991) {
                if start == 99_991 * 10 { before = try ProcessMemory.residentBytes(of: pid) }
                try await connection.send(Array(all[start..<min(start + 99_991, all.count)]))
            }
            let after = try ProcessMemory.residentBytes(of: pid)
            #expect(after - before < 8 << 20, "\(before >> 10) KiB grew to \(after >> 10)")
            try await connection.finishSending()
            let answers = String(decoding: try await connection.receiveUntilClosed(within: .seconds(30)), as: UTF8.self)
            #expect(answers.components(separatedBy: "HTTP/1.1 400 ").count - 1 == requests)
        }

        @Test("bytes that follow an upgrade while its answer is due are not kept")
        func afterUpgrade() async throws {
            let redis = try await RedisServer.start(appendfsync: nil)
            let tally = try await TallyProcess.start(["REDIS_URL": redis.url, "FLUSH_SCHEDULE": Deployment.never])
            let pid = try #require(tally.pid)
            let connection = try await ByteConnection.connect(port: tally.port)
            redis.pause()
            defer { redis.resume() }
            let before = try ProcessMemory.residentBytes(of: pid)
            try await connection.send(
                Array("GET \(Self.path) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".utf8))
            let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
            for _ in 0..<32 { try await connection.send(piece) }
            let after = try ProcessMemory.residentBytes(of: pid)
            #expect(after - before < 8 << 20, "\(before >> 10) KiB grew to \(after >> 10)")
            redis.resume()
            let answer = try await connection.receiveUntilClosed()
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
        }

        @Test(
            "a request that does not arrive in time gets 408 and the connection closes, however steadily its bytes come"
        )
        func late() async throws {
            let tally = try await TallyProcess.start(["REQUEST_TIMEOUT_S": "1"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for beginning in [
                    "GET /track?clientName=acme HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                    "POST /track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[",
                    "POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
                    "GET /track?clientName=acme&testID=",
                ] {
                    group.addTask { try await Self.drip(beginning, to: tally.port) }
                }
                try await group.waitForAll()
            }
        }

        private static func drip(_ beginning: String, to port: Int) async throws {
            let connection = try await ByteConnection.connect(port: port)
            let clock = ContinuousClock()
            let begin = clock.now
            try await connection.send(Array(beginning.utf8))
            let dripping = Task {
                while !Task.isCancelled, connection.isOpen {
                    try? await connection.send([UInt8(ascii: "a")])
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            let answer = String(decoding: try await connection.receiveUntilClosed(), as: UTF8.self)
            dripping.cancel()
            #expect(answer.hasPrefix("HTTP/1.1 408 "), "\(beginning): \(answer)")
            #expect(answer.contains("Connection: close\r\n"))
            #expect(clock.now - begin >= .milliseconds(700))
        }

        @Test("an idle connection closes; one that waits for the buffer does not, however long that takes")
        func idle() async throws {
            let redis = try await RedisServer.start()
            let proxy = try await TCPProxy.start(to: redis.port)
            let tally = try await TallyProcess.start([
                "REDIS_URL": redis.url(port: proxy.port), "IDLE_TIMEOUT_S": "1", "REQUEST_TIMEOUT_S": "1",
                "FLUSH_SCHEDULE": Deployment.never,
            ])
            let used = try await TestConnection.connect(port: tally.port)
            #expect(try await used.request(.GET, Self.path).status == 200)
            let routed = try await TestConnection.connect(port: tally.port)
            #expect(try await routed.request(.GET, "/livez").status == 200)
            let unused = try await ByteConnection.connect(port: tally.port)
            try await eventually("the idle ones to be closed") { !used.isOpen && !routed.isOpen }
            #expect(try await unused.receiveUntilClosed().isEmpty)
            proxy.delay = .milliseconds(1_200)
            let waiting = try await TestConnection.connect(port: tally.port)
            #expect(try await waiting.request(.GET, Self.path).status == 200)
        }

        @Test("one connection too many gets 503 with Retry-After at once; when one closes there is room again")
        func tooMany() async throws {
            let tally = try await TallyProcess.start(["MAX_CONNECTIONS": "5"])
            // The probe that saw it start may still be there.
            var open: [ByteConnection] = []
            try await eventually("five connections") {
                while let last = open.last, !last.isOpen { open.removeLast() }
                let connection = try await ByteConnection.connect(port: tally.port)
                try await connection.send(Array("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                let isServed: Bool = try await connection.receive { buffer in
                    String(buffer: buffer).contains("\r\n\r\n") ? String(buffer: buffer).contains(" 200 ") : nil
                }
                if isServed { open.append(connection) }
                return open.count == 5
            }
            let clock = ContinuousClock()
            let begin = clock.now
            let silent = try await ByteConnection.connect(port: tally.port)
            let answer = String(decoding: try await silent.receiveUntilClosed(), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 503 "), "\(answer)")
            #expect(answer.contains("Retry-After: 1\r\n"))
            #expect(answer.contains("Connection: close\r\n"))
            #expect(clock.now - begin < .seconds(1))
            let speaking = try await TestConnection.rawExchange(
                port: tally.port, Array("GET \(Self.path) HTTP/1.1\r\nHost: x\r\n\r\n".utf8), halfClose: false)
            #expect(String(decoding: speaking, as: UTF8.self).hasPrefix("HTTP/1.1 503 "))
            await open.removeLast().close()
            try await eventually("room for another") {
                try await TestConnection.once(port: tally.port, .GET, Self.path).status == 200
            }
        }

        @Test("a limit on files that is too small for MAX_CONNECTIONS is said at the start, and kept to")
        func fileLimit() async throws {
            let tally = try await TallyProcess.start(["MAX_CONNECTIONS": "1000"], fileLimit: 700)
            #expect(tally.log.contains("MAX_CONNECTIONS"), "\(tally.log)")
            let words = try #require(tally.log.firstMatch(of: /open files allows (\d+) connections/))
            let possible = try #require(Int(words.output.1))
            #expect((100..<700).contains(possible))
            func isServed(_ connection: ByteConnection) async throws -> Bool {
                try await connection.send(Array("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                let head: String = try await connection.receive { buffer in
                    guard String(buffer: buffer).contains("\r\n\r\n") else { return nil }
                    return buffer.readString(length: buffer.readableBytes)
                }
                #expect(head.hasPrefix("HTTP/1.1 200 ") || head.hasPrefix("HTTP/1.1 503 "), "\(head)")
                return head.hasPrefix("HTTP/1.1 200 ")
            }
            var served: [ByteConnection] = []
            var refused: [ByteConnection] = []
            for _ in 0..<(possible + 30) {
                let connection = try await ByteConnection.connect(port: tally.port)
                if try await isServed(connection) { served.append(connection) } else { refused.append(connection) }
            }
            // The probe that saw it start may have had a place for a while.
            #expect(((possible - 2)...possible).contains(served.count), "\(served.count) of \(possible)")
            #expect(refused.count >= 30)
            for connection in served { #expect(try await isServed(connection)) }
            #expect(tally.isRunning)
        }
    }
}
