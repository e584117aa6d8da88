import NIOCore

/// What goes out: answers, in the order of the requests.
extension TrackHandler {
    func refuse(_ request: Int, _ problem: Problem, address: String) {
        self.logRefusal(request, problem, address: address)
        self.answer(request, .problem(problem))
    }

    func logRefusal(_ request: Int, _ problem: Problem, address: String) {
        let note = self.requests.note(request) { RequestNote(id: RequestID.made()) }
        self.loop.logRefusal(problem, address: address, requestID: note.id)
    }

    /// Answers a request; the answer goes out when those before it have.
    func answer(_ request: Int, _ response: TrackResponse) {
        guard let context = self.context else { return }
        guard var (entry, next) = self.requests.popFirst(if: request) else {
            return self.requests.answer(request, response)
        }
        guard self.write(response, entry, flushes: next != .answered, context: context) else { return }
        while next == .answered, let answered = self.requests.popAnswered() {
            (entry, next) = (answered.entry, answered.next)
            guard self.write(answered.response, entry, flushes: next != .answered, context: context) else { return }
        }
        if next == .nothing { self.release(context: context) }
    }

    /// Writes an answer. Returns false where it was the connection's last.
    /// - Parameter flushes: no other answer follows at once.
    private func write(
        _ response: TrackResponse, _ entry: RequestQueue.Entry, flushes: Bool, context: ChannelHandlerContext
    ) -> Bool {
        self.watch.answered(now: self.connections.now)
        guard entry.keepAlive && !self.isQuiescing else {
            self.writeLast(response, entry, context: context)
            return false
        }
        let bytes = self.wrapOutboundOut(self.bytes(response, entry))
        if flushes && !self.isReading {
            context.writeAndFlush(bytes, promise: nil)
        } else {
            self.hasUnflushed = self.isReading
            context.write(bytes, promise: nil)
        }
        entry.note?.answered(status: response.status)
        return true
    }

    @inline(__always)
    private func bytes(_ response: TrackResponse, _ entry: RequestQueue.Entry) -> ByteBuffer {
        if entry.note == nil, !entry.isHTTP10 {
            if case .counted = response { return self.loop.responses.counted }
            if case .overloaded = response { return self.loop.responses.overloaded }
        }
        return self.loop.responses.bytes(
            response, keepAlive: true, isHTTP10: entry.isHTTP10, requestID: entry.note?.id)
    }

    private func writeLast(_ response: TrackResponse, _ entry: RequestQueue.Entry, context: ChannelHandlerContext) {
        self.isEnding = true
        self.isClosing = true
        self.watch.closes(now: self.connections.now)
        self.requests.removeAll()
        self.held.removeAll()
        let bytes = self.loop.responses.bytes(
            response, keepAlive: false, isHTTP10: entry.isHTTP10, requestID: entry.note?.id)
        entry.note?.answered(status: response.status)
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(self.wrapOutboundOut(bytes), promise: written)
        // With bytes still coming in, closing now would reset the connection and could take the answer with it. The
        // caller learns that no more will come, and `look` closes when it had time to read.
        let mode: CloseMode
        if case .discarded = self.reading { mode = .output } else { mode = .all }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in bound.value.close(mode: mode, promise: nil) }
    }

    /// Called when the router's answer has gone out.
    func routedResponseEnded() {
        self.isRouting = false
        self.watch.answered(now: self.connections.now)
        if self.isEnding { self.watch.closes(now: self.connections.now) }
        guard let context = self.context else { return }
        self.release(context: context)
    }
}
