import ArgumentParser
import Logging
import NIOCore
import NIOPosix
import TallyCore
import TallyServer

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, csv
}

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

    @Argument(help: "The client's name.") var client: String
    @Option(help: "Only this test.") var test: String?
    @Option(help: "table, json or csv.") var format: OutputFormat = .table
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

/// Opens buffer and store for a command that reads, and closes them after it.
func withStorage(_ options: SettingOptions, _ body: (Storage) async throws -> Void) async throws {
    let settings = try options.load()
    var logger = Logger(settings)
    logger.logLevel = max(logger.logLevel, .warning)
    let storage = try Storage(
        settings, opensSpool: false, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
    do {
        try await body(storage)
    } catch {
        await storage.shutdown()
        throw error
    }
    await storage.shutdown()
}

/// - Throws: `ValidationError`, where it is no client's name.
func validateClient(_ name: String) throws {
    if let fault = NameRules.faultInClient(Array(name.utf8)) { throw ValidationError("the client's name \(fault)") }
}

/// Says that a client has no numbers, and gives the exit code for it.
func nothingFlushed(for client: String) -> ExitCode {
    printError("tally: nothing was ever flushed for client \(client); counts show after the next flush")
    return ExitCode(ExitStatus.checkFailed)
}
