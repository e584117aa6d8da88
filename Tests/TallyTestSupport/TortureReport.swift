import Foundation
import Synchronization

/// What attacks came to: a line of JSON for each check of the books, appended to the file that TALLY_TORTURE_REPORT names
/// (`make torture` does, and makes a table of it). Without it nothing is written.
public enum TortureReport {
    private struct Line: Encodable {
        let attack: String
        let faults: Int
        let acknowledged: Int64
        let unanswered: Int64
        let refused: Int64
        let violations: Int
        let seconds: Double
        let seed: UInt64
        let at: Date
    }

    private static let file = Mutex(ProcessInfo.processInfo.environment["TALLY_TORTURE_REPORT"])

    public static func add(
        attack: String, faults: Int, acknowledged: Int64 = 0, unanswered: Int64 = 0, refused: Int64 = 0,
        violations: Int, took: Duration
    ) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        encoder.dateEncodingStrategy = .iso8601
        let line = Line(
            attack: attack, faults: faults, acknowledged: acknowledged, unanswered: unanswered, refused: refused,
            violations: violations, seconds: took / .seconds(1), seed: Torture.seed, at: Date())
        self.file.withLock { path in
            guard let path, let text = try? encoder.encode(line) else { return }
            if !FileManager.default.fileExists(atPath: path) { try? Data().write(to: URL(fileURLWithPath: path)) }
            guard let handle = FileHandle(forWritingAtPath: path) else { return }
            handle.seekToEndOfFile()
            handle.write(text + Data("\n".utf8))
            try? handle.close()
        }
    }
}
