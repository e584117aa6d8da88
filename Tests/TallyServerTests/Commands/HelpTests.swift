import ArgumentParser
import Foundation
import TallyTestSupport
import Testing

@testable import tally

@Suite("Help")
struct HelpTests {
    /// A command with the words that call it.
    struct Entry: Sendable, CustomTestStringConvertible {
        let words: [String]
        let type: any ParsableCommand.Type
        var testDescription: String { self.words.joined(separator: " ") }
    }

    static func all(_ type: any ParsableCommand.Type = Tally.self, _ words: [String] = ["tally"]) -> [Entry] {
        [Entry(words: words, type: type)]
            + type.configuration.subcommands.flatMap { self.all($0, words + [$0._commandName]) }
    }

    /// The lines of a help text that show a command.
    private func examples(_ entry: Entry) -> [String] {
        let lines = entry.type.configuration.discussion.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { $0 == "Example:" || $0 == "Examples:" }) else { return [] }
        return lines[(start + 1)...].prefix { $0.hasPrefix("  ") }.map { String($0.dropFirst(2)) }
    }

    /// Takes a line apart as a shell would, up to a pipe or a redirection.
    private func words(of line: String) -> [String] {
        let line = line.replacing(/\$\([^)]*\)/, with: "X")
        var words: [String] = []
        var word: String?
        var isQuoted = false
        for character in line {
            switch character {
            case "'":
                isQuoted.toggle()
                word = word ?? ""
            case " " where !isQuoted:
                if let done = word { words.append(done) }
                word = nil
            case "|" where !isQuoted, ">" where !isQuoted: return words
            default: word = (word ?? "") + String(character)
            }
        }
        return words + (word.map { [$0] } ?? [])
    }

    @Test("every command says what it does and shows examples that are taken as they stand", arguments: all())
    func examples(of entry: Entry) throws {
        #expect(entry.type.configuration.abstract.hasSuffix("."))
        let lines = self.examples(entry)
        #expect(!lines.isEmpty)
        for line in lines {
            let words = self.words(of: line)
            #expect(words.first == "tally", "\(line)")
            let command = try Tally.parseAsRoot(Array(words.dropFirst()))
            // The root's examples are of other commands; the others' are of their own.
            guard entry.words.count > 1, entry.type.configuration.subcommands.isEmpty else { continue }
            #expect(type(of: command) == entry.type, "\(line)")
        }
    }

    @Test("no line of a help text is wider than a terminal of 120 columns", arguments: all())
    func width(of entry: Entry) {
        for line in entry.type.configuration.discussion.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }
}

extension EndToEnd {
    @Suite struct Helps {
        @Test("what is no command is said, with the one that was probably meant, and nothing is started")
        func unknownCommand() async throws {
            for (line, meant) in [
                ("metrcs", "did you mean tally metrics?"), ("frobnicate", "there is no command"),
                ("serve frobnicate", "there is no command"), ("--port 0 metrcs", "did you mean tally metrics?"),
                ("--port 0 metrics", "a command stands first: tally metrics"),
                ("--prot 0", "Unknown option '--prot'. Did you mean '--port'?"),
                ("serve --prot 0 --port 1", "Unknown option '--prot'. Did you mean '--port'?"),
            ] {
                let (exit, output) = try await TallyProcess.run(
                    line.split(separator: " ").map(String.init), settings: [:])
                #expect(exit == .code(64) && output.contains(meant), "\(output)")
            }
            #expect(try await TallyProcess.run(["--version"], settings: [:]).output == "\(Tally.version)\n")
            let help = try await TallyProcess.run(["--help"], settings: [:])
            #expect(help.exit == .code(0) && help.output.contains("69 a server cannot be reached"))
        }

        @Test("the scripts for shells know every command; bash takes its own", arguments: ["bash", "zsh", "fish"])
        func completions(_ shell: String) async throws {
            let (exit, script) = try await TallyProcess.run(["completions", shell], settings: [:])
            #expect(exit == .code(0))
            for entry in HelpTests.all() { #expect(script.contains(entry.words.last!), "\(entry.testDescription)") }
            guard shell == "bash" else { return }
            let folder = try TemporaryDirectory("completions")
            let file = folder.url.appendingPathComponent("tally.bash")
            try Data(script.utf8).write(to: file)
            let bash = try await ServerProcess.start(
                "bash", ["--norc", "-c", "source '\(file.path)' && complete -p tally"],
                logFile: folder.url.appendingPathComponent("log"))
            #expect(try await bash.waitUntilExit() == .code(0), "\(bash.log)")
            #expect(bash.log.hasPrefix("complete "), "\(bash.log)")
        }
    }
}
