import ArgumentParser
import TallyConfig
import TallyCore
import TallyServer
import TallySQLite

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the embedded data to a file, beside a service that runs.",
        discussion: """
            The file holds the embedded buffer and store of one moment, read again and found whole. What is counted while
            it is written goes on, and is not in it. A file that is there is not overwritten. Redis and MongoDB are backed
            up with tools of their own.

            Examples:
              tally backup /var/backups/tally-$(date +%F).sqlite
              tally backup copy.sqlite --data-dir /var/lib/tally
            """)

    @Argument(help: ArgumentHelp("The file to write.", valueName: "file"), completion: .file()) var file: String
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            if settings.redis != nil, settings.mongoDBURI != nil, !EmbeddedDatabase.exists(in: settings.dataDirectory) {
                throw StartError(
                    .configuration,
                    "nothing is kept in \(settings.dataDirectory): counts are in Redis and MongoDB. Copy Redis' folder "
                        + "after BGREWRITEAOF, and MongoDB with mongodump")
            }
            let summary = try EmbeddedBackup.write(from: settings.dataDirectory, to: self.file)
            print("wrote \(self.file): \(summary.words)")
        }
    }
}

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a copy that tally backup made in the place of the embedded data.",
        discussion: """
            Stop the service first: a file that is in use is not replaced. One that is there is not either, unless --force
            says so; it is then kept beside, under a name that is printed. Where the store is MongoDB, run tally flush
            before you restore, so that nothing waits in what is replaced. A newer copy may follow an older one; but what
            it has in the batch in which the older one ended is lost where that was flushed first.

            As root, the file is given to the owner of the folder.

            Examples:
              tally restore /var/backups/tally-2026-11-22.sqlite
              tally restore copy.sqlite --force --data-dir /var/lib/tally
            """)

    @Argument(help: ArgumentHelp("The copy.", valueName: "file"), completion: .file()) var file: String
    @Flag(help: "Keep what is there under another name, and go on.") var force = false
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            let outcome = try EmbeddedRestore.run(
                self.file, into: settings.dataDirectory, replaces: self.force, now: Timestamp.now())
            if let (summary, path) = outcome.replaced { print("what was there is now \(path): \(summary.words)") }
            print("restored \(settings.dataDirectory): \(outcome.restored.words)")
        }
    }
}

extension CopySummary {
    /// `10,000 counts of 2 clients in the store, 12 counts waiting in the buffer, 40,960 bytes`.
    fileprivate var words: String {
        "\(Quantity.of(self.stored, "count")) of \(Quantity.of(self.clients, "client")) in the store, "
            + "\(Quantity.of(self.pending, "count")) waiting in the buffer, \(Quantity.grouped(self.bytes)) bytes"
    }
}
