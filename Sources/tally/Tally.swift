import ArgumentParser
import Glibc
import TallyMongo

/// The command line: one program, a command for each thing that is done with it.
@main
struct Tally: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "tally",
        abstract: "Counts A/B test events, each of them once.",
        discussion: """
            Without a command, tally serves. Settings come from flags, the environment and a file named .env, in this
            order; `tally config` shows what holds and where it comes from.

            Examples:
              tally
              tally --port 9000 --data-dir /var/lib/tally
              tally metrics acme
              tally help import

            Exit codes: 0 done, 1 a check failed, 64 usage, 69 a server cannot be reached, 78 configuration.
            """,
        version: Self.version,
        groupedSubcommands: [
            CommandGroup(name: "The service", subcommands: [Serve.self, Flush.self, Healthcheck.self]),
            CommandGroup(name: "Numbers", subcommands: [Metrics.self, Clients.self, Export.self, Import.self]),
            CommandGroup(name: "Checks", subcommands: [Check.self, Audit.self, Config.self, IP.self]),
            CommandGroup(name: "Data and shell", subcommands: [Backup.self, Restore.self, Completions.self]),
        ],
        defaultSubcommand: Serve.self)

    static func main() async {
        openStandardStreams()
        // Swift's pool asks for priorities that only root may have, does as well without, and tells syslog each time.
        // It reads this when it first has something to tell; whoever wants to hear it can set another value.
        setenv("LIBDISPATCH_LOG", "NO", 0)
        DriverStatistics.forget()
        await Self.main(nil)
        do {
            try finishOutput()
        } catch {
            printError("tally: \(error)")
            Self.exit(withError: ExitCode(ExitStatus.unavailable))
        }
    }
}
