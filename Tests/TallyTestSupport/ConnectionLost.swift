/// The connection ended before the answer was complete.
public struct ConnectionLost: Error, Sendable, CustomStringConvertible {
    /// Whether the request, or a part of it, may have reached the server. Where false it certainly did not.
    public let requestSent: Bool
    /// What came before the end, as far as it is known.
    public let received: [UInt8]

    public init(requestSent: Bool, received: [UInt8]) {
        self.requestSent = requestSent
        self.received = received
    }

    public var description: String {
        guard self.requestSent else { return "the connection was closed before the request went out" }
        return "the connection ended without a complete answer, after \(String(decoding: self.received, as: UTF8.self))"
    }
}
