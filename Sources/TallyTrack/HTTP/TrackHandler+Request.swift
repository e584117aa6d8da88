import Logging
import NIOCore
import NIOHTTP1
public import TallyAccess
import TallyCore

/// What a request to /track says, who sends it, and what becomes of it.
extension TrackHandler {
    func track(_ incoming: Incoming) {
        // What is left of it is parsed at once, and gone when this ends.
        self.forgetBody()
        let head = incoming.head
        let keepAlive = head.isKeepAlive && !self.isQuiescing
        if !keepAlive { self.isEnding = true }
        let decision = incoming.decision
        let request = self.requests.append(
            keepAlive: keepAlive, isHTTP10: incoming.isHTTP10,
            note: self.note(head.method, path: "/track", incoming.requestID, decision.seen))
        if let refusal = Problem.forbidden(decision) {
            guard head.method != .HEAD else {
                self.logRefusal(request, refusal, address: decision.seen)
                return self.answer(request, .problemToHead(refusal))
            }
            return self.refuse(request, refusal, address: decision.seen)
        }
        switch head.method {
        case .GET, .POST: break
        case .HEAD: return self.answer(request, .head)
        case .OPTIONS: return self.answer(request, .options)
        default:
            let problem = Problem(
                status: 405, detail: "/track takes GET and POST, not \(head.method.rawValue.prefix(32))",
                allow: ResponseCache.methods)
            return self.refuse(request, problem, address: decision.seen)
        }
        do {
            let shape = try self.parse(incoming)
            switch self.loop.submit(shape, of: self.loop.parser, from: self, request: request) {
            case .waiting:
                if self.loop.logsEachRequest { self.logTracked(shape, address: decision.seen, incoming.requestID) }
            case .overloaded:
                self.loop.logRefusal(
                    .overloaded, address: decision.seen, requestID: RequestID.sane(incoming.requestID))
                self.answer(request, .overloaded)
            case .bufferAway:
                self.refuse(request, .notCounted("the buffer cannot be reached"), address: decision.seen)
            }
        } catch {
            self.refuse(request, error, address: decision.seen)
        }
    }

    /// What is to be remembered of a request: nothing, unless the caller calls it something or it is one for the access
    /// log.
    @inline(__always)
    func note(
        _ method: HTTPMethod?, path: String, _ given: String?, _ address: @autoclosure () -> String
    ) -> RequestNote? {
        guard given != nil || self.loop.accessLog != nil else { return nil }
        let sane = RequestID.sane(given)
        guard let log = self.loop.accessLog, log.takesNext() else { return sane.map { RequestNote(id: $0) } }
        return RequestNote(
            id: sane ?? RequestID.made(),
            logged: .init(
                log: log, address: address(), method: method.map { String($0.rawValue.prefix(32)) } ?? "-", path: path,
                began: .now()))
    }

    /// Parses a request into the loop's parser.
    private func parse(_ incoming: Incoming) throws(Problem) -> TrackShape {
        var uri = incoming.head.uri
        let result: Result<TrackShape, Problem> = uri.withUTF8 { target in
            let target = UnsafeRawBufferPointer(target)
            guard let start = RequestTarget.queryStart(target) else { preconditionFailure("only /track comes here") }
            let query = UnsafeRawBufferPointer(rebasing: target[start...])
            guard let body = incoming.body, body.readableBytes > 0 else { return self.parse(query, body: nil) }
            if let encoding = incoming.head.headers.first(name: "content-encoding"), encoding.lowercased() != "identity"
            {
                return .failure(Problem(status: 415, detail: Self.encoded(encoding)))
            }
            let type = incoming.head.headers.first(name: "content-type")
            guard let content = type.flatMap({ TrackContentType(headerValue: $0) }) else {
                return .failure(Problem(status: 415, detail: Self.unknownType(type)))
            }
            return body.withUnsafeReadableBytes { self.parse(query, body: TrackBody(content, $0)) }
        }
        return try result.get()
    }

    @inline(__always)
    private func parse(_ query: UnsafeRawBufferPointer, body: TrackBody?) -> Result<TrackShape, Problem> {
        do {
            return .success(try self.loop.parser.parse(query: query, body: body))
        } catch {
            return .failure(Problem(error))
        }
    }

    private static func unknownType(_ type: String?) -> String {
        let taken =
            "application/x-www-form-urlencoded, application/json, application/x-ndjson, or text/plain with JSON inside, all in UTF-8"
        guard let type else { return "the body has no Content-Type; /track takes \(taken)" }
        return "the Content-Type \(Self.shown(type)) is not known here; /track takes \(taken)"
    }

    private static func encoded(_ encoding: String) -> String {
        "the body is encoded (Content-Encoding \(Self.shown(encoding))); send it as it is, without Content-Encoding"
    }

    /// A value that a caller chose, as it may stand in an answer.
    private static func shown(_ value: String) -> String {
        let shown = value.unicodeScalars.prefix(64).filter { $0.isASCII && $0.value >= 0x20 && $0.value < 0x7F }
        return String(String.UnicodeScalarView(shown))
    }

    func decide(_ head: HTTPRequestHead) -> AccessRule.Decision {
        if let decision = self.peerDecision { return decision }
        guard let peer = self.peer else { return .malformed(entry: "no address") }
        return self.access.decide(peer: peer, forwardedFor: head.headers["x-forwarded-for"])
    }

    private func logTracked(_ shape: TrackShape, address: String, _ requestID: String?) {
        var fields: [LogField: String] = [.address: address]
        fields[.requestID] = RequestID.sane(requestID)
        switch shape {
        case .single:
            if let names = CounterField.unpack(self.loop.parser.field(0)) {
                fields[.client] = names.client.description
                fields[.test] = names.test.description
                fields[.variation] = names.variation.description
                fields[.trackedEvent] = names.event.description
            }
        case .batch(let accepted):
            fields[.items] = String(self.loop.parser.items.count)
            fields[.counts] = String(accepted)
        }
        self.loop.logger.log(.tracked, "tracked", fields)
    }
}

extension AccessRule.Decision {
    /// The address for the log.
    public var seen: String {
        switch self {
        case .allowed(let address), .denied(let address): address.description
        case .malformed: "unclear"
        }
    }
}
