public import NIOCore
import NIOHTTP1

/// How a connection ends: by its caller, by the service that stops, or by bytes that nobody can understand.
extension TrackHandler {
    /// The router's side closes when a client has sent its last byte; answers that are still due go first.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input && !self.requests.isEmpty && !self.isClosing {
            self.heldClose = (mode, promise)
        } else {
            context.close(mode: mode, promise: promise)
        }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent else { return context.fireUserInboundEventTriggered(event) }
        // From now on answers say that the connection closes. One that is idle stays a moment longer: a request may be
        // on its way that its sender would otherwise never hear of.
        self.isQuiescing = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.lastRequestWithin) {
            let (handler, context) = bound.value
            guard handler.context != nil else { return }
            if handler.requests.isEmpty {
                context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
            // Otherwise the answer that is due closes the connection.
        }
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isAboutBytes =
            error is HTTPParserError || error is ByteToMessageDecoderError
            || error is ByteToMessageDecoderError.PayloadTooLargeError
        guard isAboutBytes, !self.isRouting else { return context.fireErrorCaught(error) }
        // What comes after the last request is no business of ours.
        if self.isEnding { return }
        // Nothing that follows on this connection can be understood, so this is its last answer.
        let problem: Problem
        if let error = error as? HTTPParserError {
            problem = error == .headerOverflow ? .headerTooLarge : .malformed("\(error)")
        } else {
            problem = .malformed("it has more bytes than belong to it")
        }
        // What came before has its turn first.
        if self.held.isEmpty { self.refuseUnread(problem, nil) } else { self.heldProblem = problem }
    }
}
