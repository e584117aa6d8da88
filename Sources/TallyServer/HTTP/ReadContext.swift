import HTTPTypes
import Hummingbird
import NIOCore
import TallyAccess

/// What belongs to one request outside /track.
struct ReadContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Who is at the other end of the connection, which may be a proxy.
    let peer: IPAddress?
    /// That of the connection.
    let eventLoop: any EventLoop

    init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.eventLoop = source.channel.eventLoop
        self.peer = source.channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
    }
}

extension AccessRule {
    /// Decides about a request outside /track.
    func decide(_ request: Request, _ context: ReadContext) -> Decision {
        guard let peer = context.peer else { return .malformed(entry: "no address") }
        return self.decide(peer: peer, forwardedFor: request.headers[values: .xForwardedFor])
    }
}

extension HTTPField.Name {
    // A literal of token characters is always a name (RFC 9110, section 5.1).
    static let xForwardedFor = Self("X-Forwarded-For")!
}
