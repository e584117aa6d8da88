import ArgumentParser
import TallyConfig

struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show every setting, what holds and where it comes from. Passwords are not shown.",
        discussion: """
            Flags win over the environment, the environment over the file .env, that over the defaults. With a bad value
            anywhere, all bad values are named and the exit code is 78, as at the start of the service. What each setting
            means is in .env.example.

            Examples:
              tally config
              tally config --env-file /etc/tally/tally.env
              tally config --format json | jq -r '.settings[] | select(.from != "default") | .key'
            """)

    @Option(help: "table or json.") var format: TableOrJSON = .table
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            print(self.format == .table ? settings.renderTable() : settings.renderJSON(), terminator: "")
        }
    }
}
