import ArgumentParser
import TallyAccess
import TallyConfig
import TallyServer

struct IP: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ip", abstract: "Questions about who may call.",
        discussion: """
            Example:
              tally ip explain 203.0.113.9
            """, subcommands: [Explain.self])

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say which rule lets an address in or keeps it out, with and without proxies.",
            discussion: """
                Reads TRACK_ALLOWED_IPS, READ_ALLOWED_IPS and TRUSTED_PROXIES as the service does; asks nobody.

                With --peer the connection comes from there, and ADDRESS stands in X-Forwarded-For. With
                --forwarded-for the header is the one given; without --peer it comes from ADDRESS.

                Examples:
                  tally ip explain 203.0.113.9
                  tally ip explain 203.0.113.9 --peer 10.0.0.2
                  tally ip explain 10.0.0.2 --forwarded-for '198.51.100.7, 203.0.113.9'
                """)

        @Argument(help: "The address that calls.") var address: String
        @Option(help: ArgumentHelp("The other end of the connection, such as a proxy.", valueName: "address"))
        var peer: String?
        @Option(
            help: ArgumentHelp("The X-Forwarded-For of the request; repeat it for several lines.", valueName: "header"))
        var forwardedFor: [String] = []
        @OptionGroup var options: SettingOptions

        func validate() throws {
            for text in [self.address, self.peer].compactMap(\.self) where IPAddress(text) == nil {
                throw ValidationError(
                    "\"\(text)\" is no IPv4 or IPv6 address; write one such as 203.0.113.9 or 2001:db8::1")
            }
        }

        func run() async throws {
            try await reporting {
                let explanation = AddressExplanation(try self.options.load())
                guard let address = IPAddress(self.address) else { return }
                let peer = self.peer.flatMap { IPAddress($0) }
                if peer == nil && self.forwardedFor.isEmpty {
                    print(explanation.text(of: address))
                } else {
                    let lines = self.forwardedFor.isEmpty ? ["\(address)"] : self.forwardedFor
                    print(explanation.text(peer: peer ?? address, forwardedFor: lines))
                }
            }
        }
    }
}
