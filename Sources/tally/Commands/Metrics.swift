import ArgumentParser
import TallyCore
import TallyServer

struct Metrics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a client's numbers, as of the last flush.",
        discussion: """
            On a terminal the table keeps to its width and draws bars; COLUMNS sets another width, and with NO_COLOR=1
            there are no colours. Scripts take JSON or CSV: they are those of GET /get-metric, and stay as they are. Exit
            code 1 where nothing was ever flushed for the client.

            Examples:
              tally metrics acme
              tally metrics acme --test cta --format csv
              tally metrics acme --format json | jq '.tests[] | {testID, total}'
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json, csv
    }

    @Argument(help: "The client's name.") var client: String
    @Option(help: "Only this test.") var test: String?
    @Option(help: "table, json or csv.") var format: Format = .table
    @OptionGroup var options: SettingOptions

    func validate() throws {
        try validateClient(self.client)
        if let test, let fault = NameRules.faultInName(Array(test.utf8)) {
            throw ValidationError("the test's ID \(fault)")
        }
    }

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                let metrics = try await storage.store.metrics(
                    client: Name(self.client), test: self.test.map { Name($0) })
                guard let metrics else { throw nothingFlushed(for: self.client) }
                switch self.format {
                case .table: print(MetricsTable.render(metrics, on: .output))
                case .json: print(Output.json(metrics))
                case .csv: print(Output.csv(metrics), terminator: "")
                }
            }
        }
    }
}
