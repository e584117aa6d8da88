import ArgumentParser
import TallyCore
import TallyExchange
import TallyServer

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add counts from a file, or from the Node service, to the store, once however often it is repeated.",
        discussion: """
            Takes what tally export writes: CSV whose first line names the columns clientName, testID, variation, event,
            hour and count, in any order, or lines of JSON with these keys. Without an event it is a view; without an hour
            it is counted in the hour of the import; without a clientName say --client. All of the file is checked before
            anything is added, and every line at fault is named.

            The counts are added to what is there. An import that was interrupted is repeated, and goes on where it
            stopped; one that is done already adds nothing. The same records in the same order are the same import, be
            they CSV or JSON, unless --label tells them apart.

            With --from-node it imports the counts of the Node service that tally replaces: from its MongoDB collections,
            one for each client with one document for each test, and with --node-redis what is still in its Redis keys.
            Let the callers use tally first, then stop the Node service: while it flushes, a count may stand in both.
            Nothing is written there. A client is taken over once; where its counts have changed since, that is said and
            nothing is added.

            Examples:
              tally import acme.csv --dry-run
              tally import acme.csv
              tally import counts.ndjson --client acme-test
              tally import --from-node --node-mongodb mongodb://127.0.0.1:27017/abtests --dry-run
              tally import --from-node --node-mongodb mongodb://127.0.0.1:27017/abtests --node-redis redis://127.0.0.1:6379
            """)

    @Argument(help: ArgumentHelp("The file.", valueName: "file"), completion: .file()) var file: String?
    @Option(
        help: ArgumentHelp(
            "Whose counts they are, whatever the file says; of the Node service, the one client to take.",
            valueName: "name"))
    var client: String?
    @Option(help: ArgumentHelp("Tells apart what is counted although it was before.", valueName: "text"))
    var label = ""
    @Flag(help: "Say what would be added, and change nothing.") var dryRun = false
    @Flag(help: "Go on although another import is unfinished, or without what cannot be taken from the Node service.")
    var force = false
    @OptionGroup(title: "The Node service") var node: NodeOptions
    @OptionGroup var options: SettingOptions

    /// In the ledger of epochs, in the place of a buffer.
    private static let kind = "import"

    func validate() throws {
        if let client { try validateClient(client) }
        guard self.file != nil || self.node.fromNode else {
            throw ValidationError("name a file, or say --from-node")
        }
        guard self.file == nil || !self.node.fromNode else {
            throw ValidationError("name a file or say --from-node, not both")
        }
    }

    func run() async throws {
        if let file { try await self.run(file) } else { try await self.takeOver() }
    }

    private func takeOver() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                try await NodeImport(
                    options: self.node, client: self.client, isDryRun: self.dryRun, force: self.force, storage: storage
                ).run()
            }
        }
    }

    private func run(_ file: String) async throws {
        try await reporting {
            let client = self.client.map { Name($0) }
            let survey = try RecordSurvey.read(file, client: client, label: self.label)
            guard survey.records > 0 else { return print("\(file) holds no record") }
            try await withStorage(self.options) { storage in
                let importer = Importer(store: storage.store, now: Timestamp.now)
                let standing = importer.standing(
                    of: survey.epoch, kind: Self.kind, in: try await storage.store.ledger())
                if standing.isDone {
                    return print(
                        "was imported before, \(survey.words): nothing was added. "
                            + "Say --label TEXT where they are to be counted once more")
                }
                if let other = standing.others.first(where: { !$0.isClosed }), !self.force {
                    printError(
                        "tally: another import was left unfinished after \(Quantity.of(other.total, "count")); repeat that "
                            + "one with its own file first. A file that holds those counts, too, would add them again. "
                            + "With --force the other is left as it is")
                    throw ExitCode(ExitStatus.checkFailed)
                }
                if standing.batches > 0 { print("goes on after \(Quantity.of(standing.total, "count"))") }
                if self.dryRun { return print("would add \(survey.words); nothing was changed") }
                let progress = ProgressLine()
                do {
                    try await importer.run(file, client: client, survey, standing, kind: Self.kind) { total in
                        progress.show(
                            "\(Quantity.grouped(total)) of \(Quantity.of(survey.total, "count")), "
                                + Percent.text(Double(total) / Double(survey.total)))
                    }
                } catch {
                    progress.end()
                    printError("tally: the import stopped; the same command goes on from there")
                    throw error
                }
                progress.end()
                print("imported \(survey.words)")
            }
        }
    }
}

extension RecordSurvey {
    /// `10,000 counts in 12 records of 1 client and 2 tests, from 2026-11-20T09:00:00Z to 2026-11-22T10:00:00Z`.
    fileprivate var words: String {
        let span = self.hours.map { hours in
            [hours.lowerBound, hours.upperBound].map { Timestamp.iso8601($0.secondsSince1970) }
        }
        return "\(Quantity.of(self.total, "count")) in \(Quantity.of(self.records, "record")) of "
            + "\(Quantity.of(self.clients.count, "client")) and \(Quantity.of(self.tests, "test"))"
            + (span.map { ", from \($0[0]) to \($0[1])" } ?? "")
    }
}
