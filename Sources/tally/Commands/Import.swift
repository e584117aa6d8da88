import ArgumentParser
import TallyCore
import TallyExchange
import TallyServer

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add counts from a file to the store, once however often it is repeated.",
        discussion: """
            Takes what tally export writes: CSV whose first line names the columns clientName, testID, variation, event,
            hour and count, in any order, or lines of JSON with these keys. Without an event it is a view; without an hour
            it is counted in the hour of the import; without a clientName say --client. All of the file is checked before
            anything is added, and every line at fault is named.

            The counts are added to what is there. An import that was interrupted is repeated, and goes on where it
            stopped; one that is done already adds nothing. The same records in the same order are the same import, be
            they CSV or JSON, unless --label tells them apart.

            Examples:
              tally import acme.csv --dry-run
              tally import acme.csv
              tally import counts.ndjson --client acme-test
            """)

    @Argument(help: ArgumentHelp("The file.", valueName: "file"), completion: .file()) var file: String
    @Option(help: ArgumentHelp("Whose counts they are, whatever the file says.", valueName: "name"))
    var client: String?
    @Option(help: ArgumentHelp("Tells apart what is counted although it was before.", valueName: "text"))
    var label = ""
    @Flag(help: "Say what would be added, and change nothing.") var dryRun = false
    @Flag(help: "Go on although another import was left unfinished.") var force = false
    @OptionGroup var options: SettingOptions

    /// In the ledger of epochs, in the place of a buffer.
    private static let kind = "import"

    func validate() throws {
        if let client { try validateClient(client) }
    }

    func run() async throws {
        try await reporting {
            let client = self.client.map { Name($0) }
            let survey = try RecordSurvey.read(self.file, client: client, label: self.label)
            guard survey.records > 0 else { return print("\(self.file) holds no record") }
            try await withStorage(self.options) { storage in
                let importer = Importer(store: storage.store, now: Timestamp.now)
                let standing = try await importer.standing(of: survey.epoch, kind: Self.kind)
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
                    try await importer.run(self.file, client: client, survey, standing, kind: Self.kind) { total in
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
