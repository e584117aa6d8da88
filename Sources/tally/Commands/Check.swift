import ArgumentParser
import Logging
import NIOPosix
import TallyServer

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reach Redis and MongoDB, and say what is unsafe in how everything is set up.",
        discussion: """
            Each finding says what it means to the counts, and what to change. Exit code 0 where nothing is unsafe, 1 where
            something is, 69 where a server cannot be reached, 78 where a setting is wrong.

            Example:
              tally check --redis-url redis://127.0.0.1:6379
            """)

    @Flag(help: "Show only what is unsafe or cannot be reached.") var quiet = false
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            var logger = Logger(settings)
            logger.logLevel = .critical  // what goes wrong is a finding
            let findings = try await Checkup.run(
                settings, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
            print(FindingList.render(findings, quiet: self.quiet, on: .output))
            if findings.contains(where: { $0.severity == .unreachable }) { throw ExitCode(ExitStatus.unavailable) }
            if findings.contains(where: { $0.severity == .unsafe }) { throw ExitCode(ExitStatus.checkFailed) }
        }
    }
}

/// Findings for a person: a line each, what it means and what to do below it, and a sum at the end.
enum FindingList {
    static func render(_ findings: [Finding], quiet: Bool, on terminal: Terminal) -> String {
        let width = findings.map(\.subject.count).max() ?? 0
        var lines: [String] = []
        for finding in findings where !quiet || finding.severity == .unsafe || finding.severity == .unreachable {
            let subject = finding.subject + String(repeating: " ", count: width - finding.subject.count)
            lines.append("\(self.mark(finding.severity, terminal))  \(subject)  \(finding.what)")
            let indent = String(repeating: " ", count: 6 + 2 + width + 2)
            if let consequence = finding.consequence { lines.append("\(indent)so      \(consequence)") }
            if let mend = finding.mend { lines.append("\(indent)change  \(mend)") }
        }
        let unsafe = findings.filter { $0.severity == .unsafe }.count
        let unreachable = findings.filter { $0.severity == .unreachable }.count
        if !lines.isEmpty { lines.append("") }
        switch (unsafe, unreachable) {
        case (0, 0): lines.append("nothing is unsafe")
        case (_, 0): lines.append("\(unsafe) unsafe")
        case (0, _): lines.append("\(unreachable) cannot be reached")
        default: lines.append("\(unsafe) unsafe, \(unreachable) cannot be reached")
        }
        return lines.joined(separator: "\n")
    }

    private static func mark(_ severity: Finding.Severity, _ terminal: Terminal) -> String {
        switch severity {
        case .fine: terminal.styled("ok    ", .green)
        case .note: terminal.styled("note  ", .yellow)
        case .unsafe: terminal.styled("UNSAFE", .boldRed)
        case .unreachable: terminal.styled("AWAY  ", .boldRed)
        }
    }
}
