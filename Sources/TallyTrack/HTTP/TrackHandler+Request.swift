import Logging
import NIOCore
import NIOHTTP1
public import TallyAccess
import TallyCore

/// What a request to /track says, and who sends it.
extension TrackHandler {
    /// Parses a request into the loop's parser.
    func parse(_ incoming: Incoming) throws(Problem) -> TrackShape {
        var uri = incoming.head.uri
        let result: Result<TrackShape, Problem> = uri.withUTF8 { target in
            let target = UnsafeRawBufferPointer(target)
            guard let start = RequestTarget.queryStart(target) else { preconditionFailure("only /track comes here") }
            let query = UnsafeRawBufferPointer(rebasing: target[start...])
            guard let body = incoming.body, body.readableBytes > 0 else { return self.parse(query, body: nil) }
            let type = incoming.head.headers.first(name: "content-type")
            guard let content = type.flatMap({ TrackContentType(headerValue: $0) }) else {
                return .failure(Problem(status: 415, detail: Self.unknownType(type)))
            }
            return body.withUnsafeReadableBytes { bytes in
                switch content {
                case .form: self.parse(query, body: .form(bytes))
                case .json: self.parse(query, body: .json(bytes))
                case .ndjson: self.parse(query, body: .ndjson(bytes))
                }
            }
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
        let shown = type.unicodeScalars.prefix(64).filter { $0.isASCII && $0.value >= 0x20 && $0.value < 0x7F }
        return "the Content-Type \(String(String.UnicodeScalarView(shown))) is not known here; /track takes \(taken)"
    }

    func decide(_ head: HTTPRequestHead) -> AccessRule.Decision {
        if let decision = self.peerDecision { return decision }
        guard let peer = self.peer else { return .malformed(entry: "no address") }
        return self.access.decide(peer: peer, forwardedFor: head.headers["x-forwarded-for"])
    }

    func logTracked(_ shape: TrackShape, address: IPAddress, _ requestID: String?) {
        var fields: [LogField: String] = [.address: address.description]
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
