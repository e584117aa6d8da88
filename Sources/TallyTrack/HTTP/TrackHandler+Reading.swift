public import NIOCore
import NIOHTTP1

/// What comes in: parts of requests, in the order in which they came.
extension TrackHandler {
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = self.unwrapInboundIn(data)
        self.isReading = true
        if case .end = part { self.watch.requestEnded() }
        if self.held.isEmpty, self.take(part, context: context) { return }
        self.held.append(part)
    }

    /// The router looks at what it was given when a read is over; after a read that was all /track it need not.
    public func channelReadComplete(context: ChannelHandlerContext) {
        self.isReading = false
        if self.hasUnflushed {
            self.hasUnflushed = false
            context.flush()
        }
        if self.hasPassedOn {
            self.hasPassedOn = false
            context.fireChannelReadComplete()
        } else if !self.holdsReads {
            // The next read would be asked for from the pipeline's end, through every handler of the router's.
            context.read()
        }
    }

    /// Takes a part, or says that it must wait.
    private func take(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) -> Bool {
        switch part {
        case .head(let head): return self.take(head, context: context)
        case .body(let bytes):
            switch self.reading {
            case .tracked(var incoming):
                self.reading = .nothing  // so that the body is not copied when it grows
                self.append(bytes, to: &incoming)
            case .routed: self.passOn(part, context: context)
            case .discarded, .nothing: break
            }
        case .end:
            // Moved out, so that the head is not copied.
            var ended = Reading.nothing
            swap(&ended, &self.reading)
            switch consume ended {
            case .tracked(let incoming): self.track(incoming)
            case .routed: self.passOn(part, context: context)
            case .discarded: if self.isClosing && self.requests.isEmpty { context.close(promise: nil) }
            case .nothing: break
            }
        }
        return true
    }

    private func passOn(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
        self.hasPassedOn = true
        context.fireChannelRead(self.wrapInboundOut(part))
    }

    private func take(_ original: HTTPRequestHead, context: ChannelHandlerContext) -> Bool {
        if self.isEnding {
            self.reading = .discarded
            return true
        }
        guard !self.isRouting else { return false }
        var head = original
        var requestID: String?
        switch RequestRules.finding(head, requestID: &requestID) {
        case .good: break
        case .faulty(let reason):
            // Its target may be what is wrong with it, so it is not told to be one to /track.
            let incoming = Incoming(head: head, requestID: requestID, decision: self.decide(head))
            self.refuseUnread(.malformed(reason), incoming, path: "-")
            return true
        case .last: head.headers.replaceOrAdd(name: "Connection", value: "close")
        }
        if head.uri.utf8.first != UInt8(ascii: "/") { head.uri = RequestTarget.originForm(head.uri) }
        var uri = head.uri
        guard uri.withUTF8({ RequestTarget.queryStart(UnsafeRawBufferPointer($0)) }) != nil else {
            guard self.requests.isEmpty else { return false }
            if !head.isKeepAlive { self.isEnding = true }
            self.isRouting = true
            self.reading = .routed
            self.passOn(.head(head), context: context)
            return true
        }
        self.begin(head, requestID, context: context)
        return true
    }

    /// Begins a request to /track.
    private func begin(_ head: HTTPRequestHead, _ requestID: String?, context: ChannelHandlerContext) {
        let incoming = Incoming(head: head, requestID: requestID, decision: self.decide(head))
        if case .POST = head.method {
            let length = head.headers.first(name: "content-length").flatMap { Int($0) }
            if let length, length > Self.maximumBodyBytes { return self.refuseUnread(.tooLarge, incoming) }
            if self.requests.isEmpty, head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                if let refusal = Problem.forbidden(incoming.decision) { return self.refuseUnread(refusal, incoming) }
                context.writeAndFlush(
                    self.wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
            }
        }
        self.reading = .tracked(incoming)
    }

    private func append(_ bytes: ByteBuffer, to incoming: inout Incoming) {
        // Only POST by those who may call has a body that means anything; others' is read and thrown away.
        if incoming.head.method == .POST, incoming.decision.isAllowed {
            guard self.connections.holdBody(bytes.readableBytes) else {
                return self.refuseUnread(.overloaded, incoming)
            }
            self.heldBodyBytes += bytes.readableBytes
            var bytes = bytes
            if incoming.body?.writeBuffer(&bytes) == nil { incoming.body = bytes }
            if let size = incoming.body?.readableBytes, size > Self.maximumBodyBytes {
                return self.refuseUnread(.tooLarge, incoming)
            }
        }
        self.reading = .tracked(incoming)
    }

    /// The body that was being read is complete, or is not wanted any more.
    @inline(__always)
    func forgetBody() {
        guard self.heldBodyBytes > 0 else { return }
        self.connections.forgetBody(self.heldBodyBytes)
        self.heldBodyBytes = 0
    }

    /// The request to /track that is being read, if any.
    var incoming: Incoming? {
        if case .tracked(let incoming) = self.reading { incoming } else { nil }
    }

    /// Answers before the request has been read, and throws the rest of it away. The connection closes then.
    /// - Parameter incoming: what is known of it; nil where not even its head could be read.
    func refuseUnread(_ problem: Problem, _ incoming: Incoming?, path: String = "/track") {
        // Who has sent it through a proxy is not asked: a head that is faulty is not believed.
        let address = self.peer?.description ?? "an unknown address"
        let request = self.requests.append(
            keepAlive: false, isHTTP10: incoming?.isHTTP10 ?? false,
            note: self.note(incoming?.head.method, path: incoming == nil ? "-" : path, incoming?.requestID, address))
        self.isEnding = true
        self.reading = .discarded
        self.forgetBody()
        self.refuse(request, problem, address: address)
    }

    /// All that came before is answered: takes what had to wait.
    func release(context: ChannelHandlerContext) {
        // `take` may answer at once and so come here again, and then goes on with the part that follows.
        while let part = self.held.popFirst() {
            guard self.take(part, context: context) else {
                self.held.prepend(part)
                break
            }
        }
        // What was passed on now came outside of a read; the router looks at it when the read is over.
        if self.hasPassedOn {
            self.hasPassedOn = false
            context.fireChannelReadComplete()
        }
        if self.held.isEmpty, !self.isRouting, let problem = self.heldProblem {
            self.heldProblem = nil
            if !self.isEnding { self.refuseUnread(problem, nil) }
        }
        self.readAgain(context: context)
        if let close = self.heldClose, self.requests.isEmpty, !self.isRouting {
            self.heldClose = nil
            context.close(mode: close.mode, promise: close.promise)
        }
    }

    private var holdsReads: Bool {
        !self.held.isEmpty || self.requests.count >= RequestQueue.maximum || !self.isWritable
    }

    func readAgain(context: ChannelHandlerContext) {
        guard self.isReadHeld, !self.holdsReads else { return }
        self.isReadHeld = false
        context.read()
    }

    public func read(context: ChannelHandlerContext) {
        if self.holdsReads {
            self.isReadHeld = true
        } else {
            context.read()
        }
    }
}
