import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Callers who hold a server's connections as long as it lets them: a byte now and then of a head or a body, answers
/// that nobody reads, or nothing at all. Whoever is closed comes back at once. One thread for all of them.
public final class SlowClients: Sendable {
    public enum Kind: Int, CaseIterable, Sendable {
        /// A head that never ends, a byte every time.
        case head
        /// A body that never ends, a byte every time.
        case body
        /// As many requests as the connection takes, and no answer is read.
        case reader
        /// Half a request, and then silence.
        case silent
    }

    private struct Client {
        let kind: Kind
        var socket: RawSocket
        /// Where the last bytes ended, so that what arrives are whole requests.
        var offset = 0
    }

    private struct State {
        var stops = false
        var opened = 0
        var closed: [Kind: Int] = [:]
        var requests = 0
    }

    private let state = Mutex(State())
    private let port: Int
    private let number: Int

    /// - Parameter number: how many at a time, of every kind in turn.
    public init(port: Int, number: Int) {
        self.port = port
        self.number = number
    }

    /// How many have connected.
    public var opened: Int { self.state.withLock { $0.opened } }

    /// How often the server has closed one.
    public var closed: Int { self.state.withLock { $0.closed.values.reduce(0, +) } }

    public func closed(_ kind: Kind) -> Int { self.state.withLock { $0.closed[kind] ?? 0 } }

    /// How many whole requests the server's side took from those who read no answers.
    public var requests: Int { self.state.withLock { $0.requests } }

    /// How many of a kind there are at a time.
    public func number(of kind: Kind) -> Int {
        (0..<self.number).count { $0 % Kind.allCases.count == kind.rawValue }
    }

    /// Begins, on a thread of its own.
    public func start() { Thread { self.run() }.start() }

    /// Ends it; all connections are closed soon.
    public func stop() { self.state.withLock { $0.stops = true } }

    private var stops: Bool { self.state.withLock { $0.stops } }

    private func run() {
        var clients: [Client] = []
        defer { for client in clients { client.socket.close() } }
        for index in 0..<self.number where !self.stops {
            if let client = self.connect(Kind.allCases[index % Kind.allCases.count]) { clients.append(client) }
        }
        while !self.stops {
            for index in clients.indices where self.isClosed(&clients[index]) {
                let kind = clients[index].kind
                self.state.withLock { $0.closed[kind, default: 0] += 1 }
                guard let next = self.connect(kind) else { continue }
                clients[index].socket.close()
                clients[index] = next
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    private func connect(_ kind: Kind) -> Client? {
        // With a small buffer on this side, answers that are not read stay on the other.
        let buffers: (Int32, Int32)? = kind == .reader ? (receive: 4 * 1024, send: 64 * 1024) : nil
        guard let socket = try? RawSocket(port: self.port, bufferBytes: buffers) else { return nil }
        _ = socket.send(Self.beginning(of: kind))
        self.state.withLock { $0.opened += 1 }
        return Client(kind: kind, socket: socket)
    }

    /// Does what such a caller does. True where the server has closed the connection.
    private func isClosed(_ client: inout Client) -> Bool {
        var outcome = RawSocket.Outcome.bytes(0)
        switch client.kind {
        case .head, .body: outcome = client.socket.send([UInt8(ascii: "a")])
        case .silent: break
        case .reader:
            var sent = 0
            while case .bytes(let count) = outcome {
                client.offset = (client.offset + count) % Self.manyRequests.count
                sent += count
                outcome = Self.manyRequests.withUnsafeBytes {
                    client.socket.send(UnsafeRawBufferPointer(rebasing: $0[client.offset...]))
                }
            }
            let requests = sent / Self.wholeRequest.count
            self.state.withLock { $0.requests += requests }
            return outcome == .closed
        }
        if outcome == .closed { return true }
        outcome = .bytes(0)
        var space: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        while case .bytes = outcome { outcome = withUnsafeMutableBytes(of: &space) { client.socket.receive(into: $0) } }
        return outcome == .closed
    }

    /// Sends a request again and again on one connection and reads nothing, until nothing more is taken.
    /// - Parameter whileOpen: called then, before the connection is closed, with the number of whole requests that it
    ///   took, the kernel's buffers on the way among them.
    public static func sendWithoutReading(
        _ request: String, port: Int, whileOpen: (_ sent: Int) async throws -> Void
    ) async throws {
        let socket = try RawSocket(port: port, bufferBytes: (receive: 4 * 1024, send: 64 * 1024))
        defer { socket.close() }
        let bytes = [UInt8](Array(repeating: Array(request.utf8), count: 10).joined())
        var sent = 0
        var refusals = 0
        // Half a second in which not a byte was taken.
        while refusals < 50 {
            let outcome = bytes.withUnsafeBytes {
                socket.send(UnsafeRawBufferPointer(rebasing: $0[(sent % bytes.count)...]))
            }
            switch outcome {
            case .bytes(let count):
                sent += count
                refusals = 0
            case .blocked:
                refusals += 1
                try await Task.sleep(for: .milliseconds(10))
            case .closed: throw TestSupportError("the server closed the connection")
            }
        }
        try await whileOpen(sent / request.utf8.count)
    }

    private static let manyRequests = [UInt8](Array(repeating: wholeRequest, count: 10).joined())

    private static let wholeRequest = Array("GET /track?clientName=slow HTTP/1.1\r\nHost: tally\r\n\r\n".utf8)

    private static func beginning(of kind: Kind) -> [UInt8] {
        switch kind {
        case .head: Array("GET /track?clientName=acme HTTP/1.1\r\nHost: tally\r\nX-Slow: ".utf8)
        case .body:
            Array(
                "POST /track HTTP/1.1\r\nHost: tally\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n["
                    .utf8)
        case .reader: []
        case .silent: Array("POST /get-metric HTTP/1.1\r\nHost: tally\r\nContent-Length: 10\r\n".utf8)
        }
    }
}
