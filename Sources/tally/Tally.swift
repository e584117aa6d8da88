import ArgumentParser

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

            Exit codes: 0 done, 1 a check failed, 64 usage, 69 a server cannot be reached, 78 configuration.
            """,
        version: Self.version,
        subcommands: [
            Serve.self, Flush.self, Metrics.self, Clients.self, Check.self, Audit.self, Config.self, Healthcheck.self,
            IP.self, Backup.self, Restore.self, Export.self, Import.self,
        ],
        defaultSubcommand: Serve.self)
}
