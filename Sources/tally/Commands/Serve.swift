import ArgumentParser
import Logging
import TallyConfig
import TallyCore
import TallyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take counts, flush them, and answer for them, until told to stop.",
        discussion: """
            Examples:
              tally serve
              tally serve --port 9000 --redis-url redis://127.0.0.1:6379 --mongodb-uri mongodb://127.0.0.1:27017/tally
            """)

    /// What stands where a command would, since this one is meant where none is named.
    @Argument(help: .hidden) var words: [String] = []
    @OptionGroup var options: SettingOptions

    func validate() throws {
        guard let word = self.words.first else { return }
        throw ValidationError(Self.fault(in: word, of: Array(CommandLine.arguments.dropFirst())))
    }

    /// What is wrong with a word that nothing takes.
    static func fault(in word: String, of arguments: [String]) -> String {
        // The value of an option that is not known, which the parser would tell only if it stood alone.
        if let place = arguments.firstIndex(of: word), place > 0, case let option = arguments[place - 1],
            option.hasPrefix("--")
        {
            let options = SettingKey.all.map(\.flag) + ["--env-file"]
            if !options.contains(option) {
                let near = Nearest.name(to: option, among: options, within: 2).map { " Did you mean '\($0)'?" } ?? ""
                return "Unknown option '\(option)'.\(near)"
            }
        }
        let commands = Tally.configuration.subcommands.map { $0._commandName }
        if commands.contains(word) { return "a command stands first: tally \(word), and then its options" }
        let near = Nearest.name(to: word, among: commands, within: 2).map { "did you mean tally \($0)? " } ?? ""
        return "there is no command \"\(word)\"; \(near)tally --help lists all"
    }

    func run() async throws {
        // Whoever reads what the service prints may go, and is no reason to stop counting.
        signal(SIGPIPE, SIG_IGN)
        try await reporting {
            let settings = try self.options.load()
            let logger = Logger(settings)
            for warning in settings.warnings { logger.log(.settingWarning, "\(warning)") }
            let app = try await App.build(settings, version: Tally.version, logger: logger) { service in
                // A banner in JSON lines would be noise to the machine that reads them.
                if settings.logFormat == .text { printNow(Banner.text(service, settings, version: Tally.version)) }
                logger.log(
                    .started, "started",
                    [
                        .url: service.url, .buffer: service.storage.buffer.kind, .store: service.storage.store.kind,
                        .version: Tally.version,
                    ])
                StartupPages.giveBack()
            }
            try await app.run()
        }
    }
}
