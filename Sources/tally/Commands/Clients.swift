import ArgumentParser
import TallyServer

struct Clients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the clients, with their tests and views.",
        discussion: """
            As JSON it is what GET /clients answers.

            Examples:
              tally clients
              tally clients --format json | jq -r '.clients[].clientName'
            """)

    @Option(help: "table or json.") var format: TableOrJSON = .table
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                let clients = try await storage.store.clients()
                switch self.format {
                case .json: print(Output.json(clients))
                case .table where clients.isEmpty: print("no client yet; clients show after the first flush")
                case .table: print(ClientTable.render(clients, on: .output))
                }
            }
        }
    }
}
