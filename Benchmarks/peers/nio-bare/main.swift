// A peer for the benchmark: the least that an HTTP/1 server on SwiftNIO can do. Every request is answered with an empty
// 204; nothing is parsed beyond HTTP and nothing is counted. What tally costs above this is tally's own doing.
//
// Usage: nio-bare [--port PORT] [--loops NUMBER]; without a number one loop for each processor
import NIOCore
import NIOHTTP1
import NIOPosix

final class EmptyAnswer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = self.unwrapInboundIn(data) else { return }
        context.write(self.wrapOutboundOut(.head(.init(version: .http1_1, status: .noContent))), promise: nil)
        context.write(self.wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// The number that follows an option; nil where the option is not there.
func number(of option: String) -> Int? {
    guard let flag = CommandLine.arguments.firstIndex(of: option) else { return nil }
    guard flag + 1 < CommandLine.arguments.count, let number = Int(CommandLine.arguments[flag + 1]), number > 0 else {
        fatalError("\(option) needs a number from 1")
    }
    return number
}

let port = number(of: "--port") ?? 8084
let group = MultiThreadedEventLoopGroup(numberOfThreads: number(of: "--loops") ?? System.coreCount)
let server = try await ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 4096)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            // Neither pipelining assistance nor error handling: this is the floor.
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false)
            try channel.pipeline.syncOperations.addHandler(EmptyAnswer())
        }
    }
    .bind(host: "127.0.0.1", port: port).get()
try await server.closeFuture.get()
