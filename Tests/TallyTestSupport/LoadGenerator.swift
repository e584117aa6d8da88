import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Sends requests at a rate that does not depend on the answers, as the world does, over many keep-alive connections
/// with one request on each at a time. One thread of its own, no NIO: it offers thousands of requests a second even in
/// a debug build.
public struct LoadGenerator: Sendable {
    public struct Report: Sendable {
        public var seconds = 0.0
        public var sent = 0
        /// Answered with 200.
        public var counted = 0
        /// Of them, those whose answer came when the time was over.
        public var countedLater = 0
        /// Answered with 503 and Retry-After.
        public var refused = 0
        /// Answered otherwise.
        public var others: [Int: Int] = [:]
        /// No answer came: the connection closed before it, or 10 s passed.
        public var lost: Int { self.losses.values.reduce(0, +) }
        /// How they were lost.
        public var losses: [String: Int] = [:]
        /// Requests that were due while no connection was free.
        public var withheld = 0
        /// Of the answers with 200, in milliseconds, sorted.
        public var millisecondsToCounted: [Double] = []
        /// Of those with 503.
        public var millisecondsToRefused: [Double] = []

        public init() {}

        /// Counted requests a second.
        public var goodput: Double { Double(self.counted - self.countedLater) / max(self.seconds, 0.001) }

        /// The time within which this share of the counted requests was answered, in milliseconds.
        public func milliseconds(at share: Double) -> Double { Self.time(self.millisecondsToCounted, at: share) }

        /// The same of those that were refused.
        public func millisecondsToRefuse(at share: Double) -> Double {
            Self.time(self.millisecondsToRefused, at: share)
        }

        private static func time(_ sorted: [Double], at share: Double) -> Double {
            sorted.isEmpty ? .infinity : sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
        }

        /// The share of all that was due that was counted within so many milliseconds.
        public func share(within milliseconds: Double) -> Double {
            let due = self.sent + self.withheld
            guard due > 0 else { return 0 }
            return Double(self.millisecondsToCounted.count { $0 <= milliseconds }) / Double(due)
        }
    }

    private let port: Int
    private let connections: Int
    private let request: @Sendable (Int) -> [UInt8]

    /// - Parameter request: the bytes of request number so many.
    public init(port: Int, connections: Int, request: @escaping @Sendable (Int) -> [UInt8]) {
        self.port = port
        self.connections = connections
        self.request = request
    }

    /// GET requests to /track, for so many counters in turn.
    public static func tracking(port: Int, connections: Int, counters: Int, client: String = "acme") -> LoadGenerator {
        LoadGenerator(port: port, connections: connections) { number in
            let counter = number % counters
            return Array(
                "GET /track?clientName=\(client)&testID=test-\(counter / 50)&variation=v\(counter % 50) HTTP/1.1\r\nHost: tally\r\n\r\n"
                    .utf8)
        }
    }

    /// Runs for a time.
    /// - Parameter perSecond: how many requests; nil for a new one on each connection as soon as it is free.
    public func run(perSecond: Double?, for duration: Duration) async throws -> Report {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                continuation.resume(
                    with: Result { try Run(self.port, self.connections, self.request).run(perSecond, for: duration) })
            }
            thread.start()
        }
    }

    private final class Run {
        private struct Connection {
            var socket: RawSocket
            var received: [UInt8] = []
            var sentAt = 0.0
        }

        private let port: Int
        private let request: @Sendable (Int) -> [UInt8]
        private var connections: [Connection] = []
        private var polled: [pollfd] = []
        private var free: [Int] = []
        private var report = Report()
        private var space = [UInt8](repeating: 0, count: 16 * 1024)

        init(_ port: Int, _ connections: Int, _ request: @escaping @Sendable (Int) -> [UInt8]) throws {
            self.port = port
            self.request = request
            for index in 0..<connections {
                let socket = try RawSocket(port: port)
                self.connections.append(Connection(socket: socket))
                self.polled.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
                self.free.append(index)
            }
        }

        deinit { for connection in self.connections { connection.socket.close() } }

        private static func seconds() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }

        func run(_ perSecond: Double?, for duration: Duration) throws -> Report {
            let begin = Self.seconds()
            let length = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
            var issued = 0
            while true {
                let now = Self.seconds()
                guard now - begin < length else { break }
                if let perSecond {
                    let due = Int((now - begin) * perSecond)
                    while issued < due {
                        if let index = self.free.popLast() {
                            try self.send(issued, on: index)
                        } else {
                            self.report.withheld += 1
                        }
                        issued += 1
                    }
                } else {
                    while let index = self.free.popLast() {
                        try self.send(issued, on: index)
                        issued += 1
                    }
                }
                try self.receive(within: 1)
            }
            self.report.seconds = Self.seconds() - begin
            let countedInTime = self.report.counted
            // What is under way is waited for, so that every count is known; it is no goodput of this time.
            let end = Self.seconds() + 10
            while self.free.count < self.connections.count, Self.seconds() < end { try self.receive(within: 10) }
            let unanswered = self.connections.count - self.free.count
            if unanswered > 0 { self.report.losses["no answer in 10 s"] = unanswered }
            self.report.countedLater = self.report.counted - countedInTime
            self.report.millisecondsToCounted.sort()
            self.report.millisecondsToRefused.sort()
            return self.report
        }

        private func send(_ number: Int, on index: Int) throws {
            let bytes = self.request(number)
            self.report.sent += 1
            self.connections[index].sentAt = Self.seconds()
            guard self.connections[index].socket.send(bytes) == .bytes(bytes.count) else {
                return try self.lose(index, "closed when the request was sent, errno \(errno)")
            }
        }

        private func lose(_ index: Int, _ how: String) throws {
            self.report.losses[how, default: 0] += 1
            try self.reopen(index)
            self.free.append(index)
        }

        private func reopen(_ index: Int) throws {
            self.connections[index].socket.close()
            self.connections[index] = Connection(socket: try RawSocket(port: self.port))
            self.polled[index].fd = self.connections[index].socket.descriptor
        }

        private func receive(within milliseconds: Int32) throws {
            var ready = self.polled.withUnsafeMutableBufferPointer {
                poll($0.baseAddress, nfds_t($0.count), milliseconds)
            }
            var index = 0
            while ready > 0, index < self.polled.count {
                if self.polled[index].revents != 0 {
                    ready -= 1
                    try self.read(index)
                }
                index += 1
            }
        }

        private func read(_ index: Int) throws {
            let outcome = self.space.withUnsafeMutableBytes { self.connections[index].socket.receive(into: $0) }
            switch outcome {
            case .blocked: return
            case .closed:
                // One that is idle may be closed at any time.
                if self.free.contains(index) { return try self.reopen(index) }
                let how =
                    "closed before the answer, errno \(errno), after \(self.connections[index].received.count) bytes"
                return try self.lose(index, how)
            case .bytes(let count):
                self.connections[index].received.append(contentsOf: self.space[..<count])
                self.connections[index].received.append(0)
                guard let (status, hasRetryAfter) = Self.completeAnswer(self.connections[index].received) else {
                    self.connections[index].received.removeLast()
                    return
                }
                self.connections[index].received.removeAll(keepingCapacity: true)
                self.note(status, hasRetryAfter, (Self.seconds() - self.connections[index].sentAt) * 1000)
                self.free.append(index)
            }
        }

        private func note(_ status: Int, _ hasRetryAfter: Bool, _ milliseconds: Double) {
            switch status {
            case 200:
                self.report.counted += 1
                self.report.millisecondsToCounted.append(milliseconds)
            case 503 where hasRetryAfter:
                self.report.refused += 1
                self.report.millisecondsToRefused.append(milliseconds)
            default: self.report.others[status, default: 0] += 1
            }
        }

        /// What an answer says, once all of it is there. Looks with libc: a debug build is slow with bytes.
        private static func completeAnswer(_ answer: [UInt8]) -> (status: Int, hasRetryAfter: Bool)? {
            answer.withUnsafeBytes { bytes in
                // A NUL ends it, for strstr.
                guard bytes.count > 13, let base = bytes.bindMemory(to: CChar.self).baseAddress,
                    let end = strstr(base, "\r\n\r\n")
                else { return nil }
                let head = UnsafePointer(end) - base
                var length = 0
                if let field = strstr(base, "Content-Length: "), field < end {
                    length = strtol(field.advanced(by: 16), nil, 10)
                }
                guard bytes.count - 1 >= head + 4 + length else { return nil }
                return ((9..<12).reduce(0) { $0 * 10 + Int(bytes[$1]) - 48 }, strstr(base, "Retry-After: ") != nil)
            }
        }
    }
}
