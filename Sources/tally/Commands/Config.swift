import ArgumentParser
import TallyConfig

struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show every setting, what holds and where it comes from. Passwords are not shown.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Option(help: "table or json.") var format: Format = .table
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            print(self.format == .table ? settings.renderTable() : settings.renderJSON(), terminator: "")
        }
    }
}
