import NIOCore
import NIOPosix
import Synchronization

@testable import TallyRedis

/// Answers commands as a test has it.
final class ScriptedRedis: Sendable {
    enum Answer: Sendable {
        case reply(String)
        case replyAndClose(String)
        case silence
    }

    private let channel: any Channel

    var port: Int { self.channel.localAddress?.port ?? 0 }

    /// - Parameter answer: from the number of the connection, from 1, and the name of the command.
    static func start(_ answer: @escaping @Sendable (Int, String) -> Answer) async throws -> ScriptedRedis {
        let connections = Connections()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = connections.count.add(1, ordering: .relaxed).newValue
                    try channel.pipeline.syncOperations.addHandler(Handler { answer(number, $0) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedRedis(channel)
    }

    private init(_ channel: any Channel) { self.channel = channel }

    func stop() async throws { try await self.channel.close() }

    private final class Connections: Sendable {
        let count = Atomic(0)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private var reader = RESPReader()
        private let answer: (String) -> Answer

        init(_ answer: @escaping (String) -> Answer) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                try self.reader.feed(self.unwrapInboundIn(data))
                while let command = try self.reader.next() {
                    let answer = self.answer(command.array?.first?.text ?? "")
                    switch answer {
                    case .silence: break
                    case .reply(let text), .replyAndClose(let text):
                        context.channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
                    }
                    if case .replyAndClose = answer { context.close(promise: nil) }
                }
            } catch {
                context.close(promise: nil)
            }
        }
    }
}
