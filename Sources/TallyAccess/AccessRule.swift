/// Who may use a part of the service.
public struct AccessRule: Sendable {
    public let allowed: AddressList
    public let resolver: ClientAddressResolver

    public init(allowed: AddressList, resolver: ClientAddressResolver) {
        self.allowed = allowed
        self.resolver = resolver
    }

    public enum Decision: Equatable, Sendable {
        case allowed(IPAddress)
        case denied(IPAddress)
        /// Nobody can say who is calling; the entry of `X-Forwarded-For` that is no address.
        case malformed(entry: String)

        public var isAllowed: Bool {
            if case .allowed = self { true } else { false }
        }

        /// What to answer to a caller who is refused, or nil where the caller is not.
        public var refusal: String? {
            switch self {
            case .allowed:
                nil
            case .denied(let address):
                "the address \(address) is not allowed to call this; ask the operator to add it to the allowed ones"
            case .malformed(entry: ""):
                "X-Forwarded-For has an empty entry where a trusted proxy should have written an address"
            case .malformed(let entry):
                "X-Forwarded-For has \"\(entry)\" where a trusted proxy should have written an address"
            }
        }
    }

    /// Decides about one request. The parameters are those of `ClientAddressResolver.resolve(peer:forwardedFor:)`.
    public func decide<Line: StringProtocol>(
        peer: IPAddress, forwardedFor: @autoclosure () -> [Line]
    ) -> Decision {
        switch self.resolver.resolve(peer: peer, forwardedFor: forwardedFor()) {
        case .address(let address): self.allowed.contains(address) ? .allowed(address) : .denied(address)
        case .malformed(let entry): .malformed(entry: entry)
        }
    }
}
