import TallyCore
import TallyServer

/// The clients for a person, on a terminal with bars: each client's views beside those of the one with the most.
enum ClientTable {
    static func render(_ clients: [ClientSummary], on terminal: Terminal = .none) -> String {
        let most = clients.map(\.total).max() ?? 0
        return TextTable(
            header: ["client", "tests", "views", "updated"],
            rows: clients.map { client in
                .init(
                    cells: [
                        client.client.string, Quantity.grouped(client.tests), Quantity.grouped(client.total),
                        Timestamp.iso8601(client.updatedAt),
                    ], share: most == 0 ? 0 : Double(client.total) / Double(most))
            }, numeric: [1, 2], flexible: [0]
        ).render(on: terminal)
    }
}
