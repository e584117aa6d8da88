public import TallyAccess
public import TallyConfig

/// Says in words who a request is taken to come from, and which entry of a list lets it in or keeps it out.
///
/// The decision itself is asked of `ClientAddressResolver` and `AddressList`, as the service asks them; only the reasons
/// are put into words here.
public struct AddressExplanation: Sendable {
    private let trackAllowed: AddressList
    private let readAllowed: AddressList
    private let trustedProxies: AddressList

    public init(_ settings: Settings) {
        self.trackAllowed = settings.trackAllowed
        self.readAllowed = settings.readAllowed
        self.trustedProxies = settings.trustedProxies
    }

    /// A call straight from this address, and the same through a proxy.
    public func text(of address: IPAddress) -> String {
        var parts = [
            "\(address) calls directly\n" + self.text(peer: address, forwardedFor: [])
        ]
        if let proxy = self.trustedProxies.ranges.first?.network {
            parts.append(
                "\(address) calls through a trusted proxy, such as \(proxy), which sends X-Forwarded-For: \(address)\n"
                    + self.text(peer: proxy, forwardedFor: ["\(address)"]))
        } else {
            parts.append(
                """
                \(address) calls through a proxy
                  caller      the proxy's own address: TRUSTED_PROXIES is empty, so no X-Forwarded-For is believed
                              change: set TRUSTED_PROXIES to the proxy's address, and let the proxy set the header
                """)
        }
        return parts.joined(separator: "\n\n")
    }

    /// One request, as the service would see it.
    /// - Parameters:
    ///   - peer: the other end of the connection.
    ///   - forwardedFor: the values of the lines `X-Forwarded-For`.
    public func text(peer: IPAddress, forwardedFor: [String]) -> String {
        var lines: [(String, String)] = []
        let resolver = ClientAddressResolver(trustedProxies: self.trustedProxies)
        let resolution = resolver.resolve(peer: peer, forwardedFor: forwardedFor)
        let entries = forwardedFor.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }

        if let proxy = Self.holder(of: peer, in: self.trustedProxies) {
            lines.append(("connection", "from \(peer), a trusted proxy by \(proxy) of TRUSTED_PROXIES"))
            if entries.isEmpty {
                lines.append(("caller", "\(peer) itself, since there is no X-Forwarded-For; let the proxy set it"))
            }
        } else {
            lines.append(
                ("connection", "from \(peer), which is no trusted proxy" + Self.unbelieved(entries.count, peer)))
            lines.append(("caller", "\(peer), the other end of the connection"))
        }

        if self.trustedProxies.contains(peer) {
            // One entry at a time from the right, each asked of the same resolver, up to the one that decides.
            walk: for (index, entry) in entries.enumerated().reversed() {
                let place = "entry \(index + 1) of \(entries.count)"
                switch resolver.resolve(peer: peer, forwardedFor: [entry]) {
                case .malformed(let text):
                    lines.append((place, text.isEmpty ? "is empty" : "\"\(text)\" is no address"))
                    lines.append(("caller", "nobody knows: a trusted proxy has passed on what is no address"))
                    lines.append(
                        ("change", "let the proxy append the address that it was called from, and nothing else"))
                    break walk
                case .address(let address):
                    if let proxy = Self.holder(of: address, in: self.trustedProxies) {
                        lines.append((place, "\(address) is a trusted proxy by \(proxy): look further left"))
                        if index == 0 {
                            lines.append(("caller", "\(address): all entries are trusted, so the leftmost"))
                        }
                    } else {
                        lines.append((place, "\(address) is no trusted proxy: this is the caller"))
                        lines.append(("caller", "\(address)"))
                        if index > 0 {
                            lines.append(
                                ("", "entries further left are not looked at: \(address) may have written them itself"))
                        }
                        break walk
                    }
                }
            }
        }

        switch resolution {
        case .malformed:
            lines.append(("/track", "kept out with 403"))
            lines.append(("reading", "kept out with 403"))
        case .address(let address):
            lines += Self.verdict("/track", address, self.trackAllowed, key: .trackAllowedIPs)
            lines += Self.verdict("reading", address, self.readAllowed, key: .readAllowedIPs)
        }
        let width = lines.reduce(0) { max($0, $1.0.count) }
        return lines.map { label, text in
            "  " + label + String(repeating: " ", count: width + 2 - label.count) + text
        }.joined(separator: "\n")
    }

    private static func unbelieved(_ entries: Int, _ peer: IPAddress) -> String {
        entries == 0
            ? ""
            : ", so its X-Forwarded-For is not believed; if \(peer) is your proxy, add it to TRUSTED_PROXIES"
    }

    private static func verdict(
        _ what: String, _ address: IPAddress, _ list: AddressList, key: SettingKey
    ) -> [(String, String)] {
        if let range = self.holder(of: address, in: list) {
            return [(what, "let in by \(range) of \(key.name)")]
        }
        let entries = list.ranges.map(\.description)
        return [
            (what, "kept out with 403: \(key.name) is \(entries.isEmpty ? "empty" : entries.joined(separator: ","))"),
            ("", "to let it in: \(key.name)=\((entries + ["\(address)"]).joined(separator: ","))"),
        ]
    }

    /// The first range that holds the address: the one that decides.
    private static func holder(of address: IPAddress, in list: AddressList) -> AddressRange? {
        list.ranges.first { $0.contains(address) }
    }
}
