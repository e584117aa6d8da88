import TallyAccess
import TallyTestSupport
import Testing

@Suite("The client's address")
struct ClientAddressResolverTests {
    let resolver: ClientAddressResolver

    init() throws {
        self.resolver = ClientAddressResolver(trustedProxies: try AddressList(parsing: "10.0.0.0/8, fd00::/8"))
    }

    private func resolve(_ peer: String, _ lines: [String]) throws -> ClientAddressResolver.Resolution {
        try self.resolver.resolve(peer: #require(IPAddress(peer)), forwardedFor: lines)
    }

    @Test(
        "is found by walking from the right to the first address that is no trusted proxy",
        arguments: [
            // Peer, lines, expected.
            ("198.51.100.1", [], "198.51.100.1"),
            ("198.51.100.1", ["192.0.2.1"], "198.51.100.1"),
            ("198.51.100.1", ["nonsense"], "198.51.100.1"),
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
            ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", ["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", ["203.0.113.9", "192.0.2.1, 10.0.0.3", "10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // All trusted: the leftmost.
            ("10.0.0.1", ["10.0.0.4, 10.0.0.3", "10.0.0.2"], "10.0.0.4"),
            ("10.0.0.1", ["10.0.0.1"], "10.0.0.1"),
            // What stands left of the stop is not looked at.
            ("10.0.0.1", ["", "garbage,, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["10.0.0.9:99999, 192.0.2.1"], "192.0.2.1"),
            // Forms.
            ("10.0.0.1", [" \t192.0.2.1\t "], "192.0.2.1"), ("10.0.0.1", ["192.0.2.1:5678"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1:0"], "192.0.2.1"), ("10.0.0.1", ["192.0.2.1:65535"], "192.0.2.1"),
            ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"), ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"), ("10.0.0.1", ["2001:db8::1:443"], "2001:db8::1:443"),
            ("10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"), ("10.0.0.1", ["[::ffff:192.0.2.1]:80"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1,::ffff:a00:2"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1, 10.0.0.2:80"], "192.0.2.1"),
        ] as [(String, [String], String)])
    func found(peer: String, lines: [String], expected: String) throws {
        #expect(try self.resolve(peer, lines) == .address(#require(IPAddress(expected))))
        let slices = lines.map { $0[...] }
        #expect(
            try self.resolver.resolve(peer: #require(IPAddress(peer)), forwardedFor: slices)
                == .address(#require(IPAddress(expected))))
    }

    @Test(
        "is unknown where an entry on the way is empty or malformed",
        arguments: [
            ([""], ""), ([" \t"], ""), ([","], ""), (["192.0.2.1,"], ""), (["192.0.2.1, "], ""),
            (["192.0.2.1", ""], ""),
            (["192.0.2.1,,10.0.0.2"], ""), ([",10.0.0.2"], ""), (["192.0.2.1", ",10.0.0.2"], ""),
            (["unknown"], "unknown"), (["192.0.2.1, unknown"], "unknown"), (["_hidden, 10.0.0.2"], "_hidden"),
            (["192.0.2.1 10.0.0.2"], "192.0.2.1 10.0.0.2"), (["\"192.0.2.1\""], "\"192.0.2.1\""),
            (["192.0.2.1:"], "192.0.2.1:"), (["192.0.2.1:65536"], "192.0.2.1:65536"),
            (["192.0.2.1:000080"], "192.0.2.1:000080"), (["192.0.2.1:+80"], "192.0.2.1:+80"),
            (["192.0.2.1:80:80"], "192.0.2.1:80:80"), ([":80"], ":80"), (["localhost:80"], "localhost:80"),
            (["[192.0.2.1]"], "[192.0.2.1]"), (["[192.0.2.1]:80"], "[192.0.2.1]:80"), (["[]"], "[]"), (["["], "["),
            (["[::1"], "[::1"), (["[::1]80"], "[::1]80"), (["[::1]:"], "[::1]:"), (["[::1]:x"], "[::1]:x"),
            (["[::1]:443]"], "[::1]:443]"), (["[::1]]"], "[::1]]"), (["::1]"], "::1]"), (["[::1%eth0]"], "[::1%eth0]"),
            (["fe80::1%eth0"], "fe80::1%eth0"), (["192.0.2.0/24"], "192.0.2.0/24"), (["010.0.0.1"], "010.0.0.1"),
            (["\u{7F}é"], #"\x7f\xc3\xa9"#), (["192.0.2.1\u{A0}"], #"192.0.2.1\xc2\xa0"#),
            ([String(repeating: "é", count: 60)], String(repeating: #"\xc3\xa9"#, count: 7) + #"\xc3..."#),
        ] as [([String], String)])
    func malformed(lines: [String], entry: String) throws {
        #expect(try self.resolve("10.0.0.1", lines) == .malformed(entry: entry))
        #expect(entry.utf8.count <= 64)
    }

    @Test("is found without reading the header where the peer is not trusted")
    func headerUnread() throws {
        func header() -> [String] {
            Issue.record("the header was read")
            return []
        }
        let peer = try #require(IPAddress("198.51.100.1"))
        #expect(self.resolver.resolve(peer: peer, forwardedFor: header()) == .address(peer))
    }

    @Test("is the peer's where no proxy is trusted")
    func noProxies() throws {
        let peer = try #require(IPAddress("127.0.0.1"))
        let nobody = ClientAddressResolver(trustedProxies: AddressList([]))
        #expect(nobody.resolve(peer: peer, forwardedFor: ["10.0.0.1"]) == .address(peer))
    }
}

@Suite("A forged X-Forwarded-For")
struct ForgeryTests {
    /// What an entry means, known without parsing it.
    private enum Meaning: Equatable {
        case address(IPAddress)
        case nothing
    }

    private static let inside = ["192.0.2.1", "127.0.0.1", "::1", "::ffff:192.0.2.1", "[::1]:80", "192.0.2.7:443"]
    private static let proxies = ["10.0.0.1", "10.9.9.9:80", "::ffff:10.0.0.3", "fd00::1", "[fd00::2]", "[fd00::3]:1"]
    private static let outside = [
        "203.0.113.9", "203.0.113.9:1", "2001:db8::1", "[2001:db8::2]:80", "::ffff:cb00:7109",
    ]
    private static let garbage = [
        "", " ", "unknown", "192.0.2", "192.0.2.1.1", "0192.0.2.1", "192.0.2.1:", "[192.0.2.1]", "::1%lo", "[::1", "é",
        "\"192.0.2.1\"", "192.0.2.1 x", "192.0.2.1;", "for=192.0.2.1", "1:2", "::1::", "\u{0}", "192.0.2.1:99999",
    ]
    /// The bare address that each well-formed entry stands for.
    private static let bare = [
        "[::1]:80": "::1", "192.0.2.7:443": "192.0.2.7", "10.9.9.9:80": "10.9.9.9", "[fd00::2]": "fd00::2",
        "[fd00::3]:1": "fd00::3", "203.0.113.9:1": "203.0.113.9", "[2001:db8::2]:80": "2001:db8::2",
        "::ffff:192.0.2.1": "192.0.2.1", "::ffff:10.0.0.3": "10.0.0.3", "::ffff:cb00:7109": "203.0.113.9",
    ]
    private static let blanks = ["", " ", "\t", "  ", " \t "]

    private let rule: AccessRule
    private let proxyAddresses: Set<IPAddress>

    init() throws {
        let resolver = ClientAddressResolver(trustedProxies: try AddressList(parsing: "10.0.0.0/8,fd00::/8"))
        self.rule = AccessRule(allowed: try AddressList(parsing: "192.0.2.0/24,127.0.0.0/8,::1"), resolver: resolver)
        self.proxyAddresses = Set(try Self.proxies.map(Self.address))
    }

    private static func address(_ entry: String) throws -> IPAddress {
        try #require(IPAddress(self.bare[entry] ?? entry))
    }

    private static func meaning(_ entry: String) throws -> Meaning {
        self.garbage.contains(entry) ? .nothing : .address(try self.address(entry))
    }

    /// Writes the entries as header lines, broken and padded in a random way.
    private static func lines(_ entries: [String], _ random: inout SplitMix64) -> [String] {
        var lines: [String] = []
        for entry in entries {
            let padded = Self.blanks.randomElement(using: &random)! + entry + Self.blanks.randomElement(using: &random)!
            if lines.isEmpty || Int.random(in: 0..<4, using: &random) == 0 {
                lines.append(padded)
            } else {
                lines[lines.count - 1] += "," + padded
            }
        }
        return lines
    }

    private static func entries(_ pools: [[String]], upTo count: Int, _ random: inout SplitMix64) -> [String] {
        (0..<Int.random(in: 0...count, using: &random)).map { _ in
            pools.randomElement(using: &random)!.randomElement(using: &random)!
        }
    }

    @Test("gives nobody outside an address from inside")
    func outsiders() throws {
        var random = SplitMix64(seed: 20_000)
        for round in 0..<10_000 {
            let caller = Self.outside.randomElement(using: &random)!
            let forged = Self.entries([Self.inside, Self.proxies, Self.outside, Self.garbage], upTo: 5, &random)
            // Each of the proxies, and there may be none, appends whom it was called from.
            let proxies = Self.entries([Self.proxies], upTo: 3, &random)
            let hops = [caller] + proxies
            let peer = try Self.address(hops.last!)
            let lines = Self.lines(forged + hops.dropLast(), &random)
            let decision = self.rule.decide(peer: peer, forwardedFor: lines)
            let address = try Self.address(caller)
            try #require(decision == .denied(address), "round \(round): \(peer) \(lines)")
        }
    }

    @Test("is read as a plain model reads it, entry by entry")
    func model() throws {
        var random = SplitMix64(seed: 7239)
        // Mostly proxies, so that the walk goes far.
        let pools = [Self.proxies, Self.proxies, Self.proxies, Self.inside, Self.outside, Self.garbage]
        var outcomes: [String: Int] = [:]
        for round in 0..<10_000 {
            let peer = try Self.address((Self.proxies + ["203.0.113.77"]).randomElement(using: &random)!)
            let entries = Self.entries(pools, upTo: 6, &random)

            // The model: everything the caller may have meant, right to left, by table.
            var expected = Meaning.address(peer)
            if self.proxyAddresses.contains(peer) {
                for entry in entries.reversed() {
                    expected = try Self.meaning(entry)
                    guard case .address(let address) = expected, self.proxyAddresses.contains(address) else { break }
                }
            }

            let lines = Self.lines(entries, &random)
            switch self.rule.resolver.resolve(peer: peer, forwardedFor: lines) {
            case .address(let address):
                try #require(expected == .address(address), "round \(round): \(peer) \(lines)")
                outcomes[self.proxyAddresses.contains(address) ? "proxy" : "caller", default: 0] += 1
            case .malformed:
                try #require(expected == .nothing, "round \(round): \(peer) \(lines)")
                outcomes["malformed", default: 0] += 1
            }
        }
        // All ways out were taken often, so the comparison means something.
        #expect(outcomes.count == 3 && outcomes.values.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

@Suite("An access rule")
struct AccessRuleTests {
    private let rule: AccessRule

    init() throws {
        self.rule = AccessRule(
            allowed: try AddressList(parsing: "127.0.0.0/8,::1"),
            resolver: ClientAddressResolver(trustedProxies: try AddressList(parsing: "10.0.0.0/8")))
    }

    @Test(
        "lets in who is on the list, and names the address that it turned away",
        arguments: [
            ("127.0.0.1", [], nil),
            ("10.0.0.1", ["::1"], nil),
            ("10.0.0.1", [], "the address 10.0.0.1 is not allowed"),
            ("192.0.2.1", ["127.0.0.1"], "the address 192.0.2.1 is not allowed"),
            ("10.0.0.1", ["127.0.0.1, 2001:db8::1"], "the address 2001:db8::1 is not allowed"),
            ("10.0.0.1", ["127.0.0.1, x"], "X-Forwarded-For has \"x\""),
            ("10.0.0.1", [""], "X-Forwarded-For has an empty entry"),
        ] as [(String, [String], String?)])
    func decides(peer: String, lines: [String], refusal: String?) throws {
        let decision = try self.rule.decide(peer: #require(IPAddress(peer)), forwardedFor: lines)
        #expect(decision.isAllowed == (refusal == nil))
        #expect(decision.refusal?.hasPrefix(refusal ?? "?") == (refusal == nil ? nil : true))
    }
}
