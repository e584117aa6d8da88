import Foundation
import TallyTestSupport
import Testing

/// A page of docs/ that shows what commands answer. They are run as they stand there, one after the other, and held
/// against it; `TALLY_UPDATE_EXAMPLES=1` writes down what they answer now.
struct CommandPage {
    /// From the repository's root.
    let path: String
    /// What differs from run to run: as the page calls it, and what it is here.
    let places: [(shown: String, actual: String)]

    /// Runs the lines that begin with `$ `, in blocks of `console`, or `console terminal` for output on a terminal.
    /// - Returns: how many commands were run.
    func check(beside tally: TallyProcess) async throws -> Int {
        let page = try String(contentsOf: MadeDocument.file(self.path), encoding: .utf8)
        var lines: [String] = []
        var columns: Int?
        var isInBlock = false
        var ran = 0
        for line in page.components(separatedBy: "\n") {
            switch (isInBlock, line) {
            case (false, _):
                lines.append(line)
                isInBlock = line.hasPrefix("```console")
                columns = line == "```console terminal" ? 80 : nil
            case (true, "```"):
                lines.append(line)
                isInBlock = false
            case (true, _) where line.hasPrefix("$ "):
                lines.append(line)
                lines += try await self.answer(to: String(line.dropFirst(2)), columns: columns, beside: tally)
                ran += 1
            default: break  // what the page shows
            }
        }
        try self.compare(page, with: lines)
        return ran
    }

    private func answer(to command: String, columns: Int?, beside tally: TallyProcess) async throws -> [String] {
        let command = self.places.reduce(command) { $0.replacingOccurrences(of: $1.shown, with: $1.actual) }
        let output = try await tally.shell(
            command, settings: ["PORT": String(tally.port), "NO_COLOR": "1"], columns: columns
        ).output
        let shown = self.places.reduce(Self.general(output)) { $0.replacingOccurrences(of: $1.actual, with: $1.shown) }
        var lines = shown.replacing(/[ \t]+\n/, with: "\n").components(separatedBy: "\n")
        while lines.last == "" { lines.removeLast() }
        return lines
    }

    /// Times, sizes and the like, which are other ones each time.
    private static func general(_ text: String) -> String {
        text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "2026-11-22T10:00:00Z")
            .replacing(/[\d,]+ bytes/, with: "94,208 bytes")
            .replacing(/[\d.,]+ ([GM]B) free/) { "64.0 \($0.output.1) free" }
    }

    private func compare(_ page: String, with lines: [String]) throws {
        let now = lines.joined(separator: "\n")
        guard !MadeDocument.isRewritten else { return try Data(now.utf8).write(to: MadeDocument.file(self.path)) }
        let first = zip(page.components(separatedBy: "\n"), lines).enumerated().first { $1.0 != $1.1 }
        if let (number, (shown, current)) = first {
            Issue.record("line \(number + 1) of \(self.path) shows\n\(shown)\nand it is\n\(current)")
        }
        #expect(
            now.utf8.elementsEqual(page.utf8),
            "write it anew with TALLY_UPDATE_EXAMPLES=1 swift test --filter CommandPages")
    }
}
