import ArgumentParser
import TallyCore
import TallyExchange
import TallyServer

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write all counts of a client, hour by hour, for tally import and for spreadsheets.",
        discussion: """
            One record for each test, variation, event and hour, to standard output, as of the last flush. The exit code
            is 0 only where all of it was written; 1 where nothing was ever flushed for the client.

            Examples:
              tally export acme > acme.csv
              tally export acme --format ndjson | gzip > acme.ndjson.gz
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case csv, ndjson
    }

    @Argument(help: "The client's name.") var client: String
    @Option(help: "csv or ndjson.") var format: Format = .csv
    @OptionGroup var options: SettingOptions

    func validate() throws { try validateClient(self.client) }

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                let progress = ProgressLine()
                defer { progress.end() }
                let summary = try await Exporter(store: storage.store, form: self.format == .csv ? .csv : .ndjson).run(
                    Name(self.client), write: { try writeOutput($0) },
                    progress: { summary in
                        if !outputIsTerminal { progress.show("\(Quantity.of(summary.records, "record")) written") }
                    })
                guard summary != nil else { throw nothingFlushed(for: self.client) }
            }
        }
    }
}
