import TallyAccess
import TallyConfig
import TallyTestSupport
import Testing

@testable import TallyServer

@Suite("What tally ip explain says")
struct AddressExplanationTests {
    private let explanation: AddressExplanation

    init() throws {
        self.explanation = AddressExplanation(
            try Settings.load(
                flags: [
                    "TRACK_ALLOWED_IPS": "192.0.2.0/24,10.0.0.2", "READ_ALLOWED_IPS": "192.0.2.7",
                    "TRUSTED_PROXIES": "10.0.0.0/16",
                ], environment: [:], envFile: .named(path: "/dev/null")))
    }

    private func text(_ peer: String, _ forwardedFor: [String]) throws -> String {
        self.explanation.text(peer: try #require(IPAddress(peer)), forwardedFor: forwardedFor)
    }

    @Test("an address that calls directly is let in by the entry that holds it, or kept out with the setting to change")
    func direct() throws {
        #expect(
            try self.text("192.0.2.9", []) == """
                  connection  from 192.0.2.9, which is no trusted proxy
                  caller      192.0.2.9, the other end of the connection
                  /track      let in by 192.0.2.0/24 of TRACK_ALLOWED_IPS
                  reading     kept out with 403: READ_ALLOWED_IPS is 192.0.2.7
                              to let it in: READ_ALLOWED_IPS=192.0.2.7,192.0.2.9
                """)
    }

    @Test("the header is walked from the right, one entry a line, up to the one that decides")
    func forwarded() throws {
        #expect(
            try self.text("10.0.0.2", ["203.0.113.9, 192.0.2.7", "10.0.3.4"]) == """
                  connection    from 10.0.0.2, a trusted proxy by 10.0.0.0/16 of TRUSTED_PROXIES
                  entry 3 of 3  10.0.3.4 is a trusted proxy by 10.0.0.0/16: look further left
                  entry 2 of 3  192.0.2.7 is no trusted proxy: this is the caller
                  caller        192.0.2.7
                                entries further left are not looked at: 192.0.2.7 may have written them itself
                  /track        let in by 192.0.2.0/24 of TRACK_ALLOWED_IPS
                  reading       let in by 192.0.2.7 of READ_ALLOWED_IPS
                """)
        #expect(try self.text("10.0.0.2", ["10.0.1.1, 10.0.0.2"]).contains("all entries are trusted, so the leftmost"))
        #expect(try self.text("10.0.0.2", []).contains("10.0.0.2 itself, since there is no X-Forwarded-For"))
        #expect(try self.text("192.0.2.9", ["192.0.2.7"]).contains("its X-Forwarded-For is not believed"))
    }

    @Test("an entry that is no address keeps everybody out", arguments: ["192.0.2.7, nonsense", "", "192.0.2.7,"])
    func malformed(_ header: String) throws {
        let text = try self.text("10.0.0.2", [header])
        #expect(text.contains(/\/track +kept out with 403/) && text.contains(/reading +kept out with 403/))
        #expect(text.contains(/caller +nobody knows/))
    }

    @Test(
        "its verdict is the service's own",
        arguments: [
            ["192.0.2.7"], ["203.0.113.9"], ["203.0.113.9, 192.0.2.7"], ["192.0.2.7, 203.0.113.9"], ["192.0.2.7, x"],
            [""], [],
            ["10.0.0.2"], ["192.0.2.7:80"], ["::ffff:192.0.2.7"],
        ])
    func agrees(_ lines: [String]) throws {
        let proxies = try AddressList(parsing: "10.0.0.0/16")
        let allowed = try AddressList(parsing: "192.0.2.0/24,10.0.0.2")
        for peer in ["10.0.0.2", "192.0.2.9", "203.0.113.1"] {
            let address = try #require(IPAddress(peer))
            let isIn =
                switch ClientAddressResolver(trustedProxies: proxies).resolve(peer: address, forwardedFor: lines) {
                case .address(let address): allowed.contains(address)
                case .malformed: false
                }
            #expect(try self.text(peer, lines).contains(/\/track +let in/) == isIn, "\(peer) \(lines)")
        }
    }
}
