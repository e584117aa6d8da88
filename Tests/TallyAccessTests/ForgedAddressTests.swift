import Foundation
import TallyAccess
import TallyTestSupport
import Testing

/// Somebody who is not allowed writes what he likes into `X-Forwarded-For`.
@Suite("A forged X-Forwarded-For")
struct ForgedAddressTests {
    static let wanted = "192.0.2.7"
    static let forger = "198.51.100.23"
    static let proxy = "10.0.0.1"

    let rule: AccessRule

    init() throws {
        self.rule = AccessRule(
            allowed: try AddressList(parsing: Self.wanted),
            resolver: ClientAddressResolver(trustedProxies: try AddressList(parsing: "10.0.0.0/8,fd00::/8")))
    }

    @Test("lets nobody in, directly or through proxies that append the address they were called from")
    func forged() async throws {
        var forms = ForgedForwardedFor(wanted: Self.wanted, proxy: Self.proxy, seed: Torture.seed)
        let forger = try #require(IPAddress(Self.forger))
        let proxy = try #require(IPAddress(Self.proxy))
        var passed: [[String]] = []
        for run in 0..<Torture.rounds(full: 2_000_000, short: 20_000) {
            await Torture.giveWay(run: run)
            let lines = forms.next()
            // One proxy joins all lines and appends, as nginx does; another adds a line; a second proxy stands behind.
            let joined = lines.isEmpty ? [Self.forger] : [lines.joined(separator: ", ") + ", " + Self.forger]
            for chain in [joined, lines + [Self.forger], joined.map { $0 + ", 10.0.0.9" }] {
                if self.rule.decide(peer: proxy, forwardedFor: chain) != .denied(forger) { passed.append(chain) }
            }
            if self.rule.decide(peer: forger, forwardedFor: lines) != .denied(forger) { passed.append(lines) }
        }
        #expect(passed.prefix(5) == [], "seed \(Torture.seed)")
    }

    /// The list as it is defined, read in the simplest way there is, with the system's reader of addresses.
    private func reference(_ lines: [String]) -> String? {
        let entries = lines.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        for entry in entries.reversed() {
            guard let address = Self.plain(String(entry)) else { return nil }
            if !address.hasPrefix("10.") && !address.hasPrefix("fd") { return address }
        }
        return nil
    }

    /// An entry without blanks and port, as the system writes the address; nil where it is none.
    private static func plain(_ entry: String) -> String? {
        var text = entry.trimmingCharacters(in: CharacterSet(charactersIn: " \t"))
        if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
            text = String(text[text.index(after: text.startIndex)..<end])
        } else if text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") {
            text = String(text[..<colon])
        }
        var ipv4 = in_addr()
        if inet_pton(AF_INET, text, &ipv4) == 1 { return text }
        var ipv6 = in6_addr()
        guard inet_pton(AF_INET6, text, &ipv6) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: &ipv6) { Array($0) }
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return bytes[12...].map(String.init).joined(separator: ".")
        }
        return text.lowercased()
    }

    @Test("that a trusted proxy passes on as it came is read as it is defined, and never more generously")
    func againstReference() async throws {
        var forms = ForgedForwardedFor(wanted: Self.wanted, proxy: Self.proxy, seed: Torture.seed &+ 1)
        let proxy = try #require(IPAddress(Self.proxy))
        var allowed = 0
        var wrong: [[String]] = []
        for run in 0..<Torture.rounds(full: 500_000, short: 20_000) {
            await Torture.giveWay(run: run)
            let lines = forms.next()
            guard self.rule.decide(peer: proxy, forwardedFor: lines).isAllowed else { continue }
            allowed += 1
            if self.reference(lines) != Self.wanted { wrong.append(lines) }
        }
        #expect(wrong.prefix(5) == [], "seed \(Torture.seed)")
        // Here the forger has the last word, so some get in; were it none, nothing would have been tried.
        #expect(allowed > 100)
    }
}
