import DequeModule
import NIOCore
import TallyCore

/// Matches the replies on one connection to the commands that were sent, in order.
///
/// Lives on its channel's event loop. A bound on what waits is the caller's: a lane has one command under way, the
/// flush a handful.
final class RedisChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias Completion = (Result<RESPValue, BufferError>) -> Void

    private var reader = RESPReader()
    private var waiting: Deque<Completion> = []
    private var failure: BufferError?
    /// Host and port, for errors.
    let peer: String
    /// Called once, when the connection is gone.
    var onClose: ((BufferError) -> Void)?

    init(peer: String) { self.peer = peer }

    /// Sends one command, already encoded, and calls `completion` with its reply. Where the connection is lost first,
    /// the completion gets `.unavailable`, and whether Redis has carried the command out is not known.
    func send(_ command: ByteBuffer, on channel: any Channel, completion: @escaping Completion) {
        channel.eventLoop.preconditionInEventLoop()
        if let failure = self.failure {
            completion(.failure(failure))
            return
        }
        self.waiting.append(completion)
        channel.writeAndFlush(command, promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try self.reader.feed(self.unwrapInboundIn(data))
            while let reply = try self.reader.next() {
                guard let completion = self.waiting.popFirst() else {
                    throw RESPReader.ProtocolError(description: "a reply that nothing had asked for")
                }
                completion(.success(reply))
            }
        } catch {
            self.fail(BufferError(.unavailable, "Redis at \(self.peer) does not speak RESP2: \(error)"))
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(BufferError(.unavailable, "the connection to Redis at \(self.peer) broke: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail(BufferError(.unavailable, "Redis at \(self.peer) closed the connection"))
        context.fireChannelInactive()
    }

    private func fail(_ error: BufferError) {
        guard self.failure == nil else { return }
        self.failure = error
        let unanswered = self.waiting
        self.waiting = []
        for completion in unanswered { completion(.failure(error)) }
        let onClose = self.onClose
        self.onClose = nil
        onClose?(error)
    }
}
