/// A caller who has read the first byte of an answer, and leaves the rest where it is for as long as this lives.
public final class UnreadAnswer: Sendable {
    private let socket: RawSocket

    /// Sends a request, and waits until its answer has begun.
    public static func begin(_ request: String, port: Int) async throws -> UnreadAnswer {
        let answer = UnreadAnswer(try RawSocket(port: port, bufferBytes: (receive: 4 * 1024, send: 64 * 1024)))
        guard answer.socket.send(Array(request.utf8)) == .bytes(request.utf8.count) else {
            throw TestSupportError("the request was not taken")
        }
        try await eventually(within: .seconds(60), "the answer to begin") {
            var byte: UInt8 = 0
            return withUnsafeMutableBytes(of: &byte) { answer.socket.receive(into: $0) } == .bytes(1)
        }
        return answer
    }

    private init(_ socket: RawSocket) { self.socket = socket }

    deinit { self.socket.close() }
}
