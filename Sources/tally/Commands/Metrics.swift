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
            Examples:
              tally metrics acme
              tally metrics acme --test cta --format csv
            """)

    @Argument(help: "The client's name.") var client: String
    @Option(help: "Only this test.") var test: String?
    @Option(help: "table, json or csv.") var format: OutputFormat = .table
    @OptionGroup var options: SettingOptions

    func validate() throws {
        if let fault = NameRules.faultInClient(Array(self.client.utf8)) {
            throw ValidationError("the client's name \(fault)")
        }
        if let test, let fault = NameRules.faultInName(Array(test.utf8)) {
            throw ValidationError("the test's ID \(fault)")
        }
    }

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                guard
                    let metrics = try await storage.store.metrics(
                        client: Name(self.client), test: self.test.map { Name($0) })
                else {
                    printError(
                        "tally: nothing was ever flushed for client \(self.client); counts show after the next flush")
                    throw ExitCode(ExitStatus.checkFailed)
                }
                switch self.format {
                case .table: print(MetricsTable.render(metrics))
                case .json: print(Output.json(metrics))
                case .csv: print(Output.csv(metrics), terminator: "")
                }
            }
        }
    }
}

struct Clients: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the clients, with their tests and totals.")

    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                let clients = try await storage.store.clients()
                guard !clients.isEmpty else { return print("no client yet") }
                print(
                    TextTable.render(
                        header: ["client", "tests", "total", "updated"],
                        rows: clients.map {
                            [$0.client.string, String($0.tests), String($0.total), Timestamp.iso8601($0.updatedAt)]
                        }, numeric: [1, 2]))
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
