import Foundation
import Synchronization
public import Testing

/// Puts the ends of the logs of all servers that a test has started beside what it finds wrong: by the time someone
/// reads that, the servers and their folders are gone.
public struct ServerLogs: TestTrait, SuiteTrait, TestScoping {
    public let isRecursive = true

    /// How much of each log is shown, in bytes.
    static let maximumBytes = 3_000

    @TaskLocal static var started: StartedServers?

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // A suite as a whole starts no server.
        guard testCase != nil else { return try await function() }
        let started = StartedServers()
        try await Self.$started.withValue(started) {
            #if compiler(>=6.2)
            let shows = IssueHandlingTrait.compactMapIssues { issue in
                var issue = issue
                issue.comments += started.ends().map { Comment(rawValue: $0) }
                return issue
            }
            try await shows.provideScope(for: test, testCase: testCase, performing: function)
            #else
            try await function()
            #endif
        }
    }
}

extension Trait where Self == ServerLogs {
    /// See `ServerLogs`.
    public static var serverLogs: Self { Self() }
}

/// The servers that one test has started.
final class StartedServers: Sendable {
    private let logs = Mutex<[URL]>([])

    func add(_ log: URL) {
        self.logs.withLock { if !$0.contains(log) { $0.append(log) } }
    }

    /// The end of each log, under its name; those that are empty or gone are left out.
    func ends() -> [String] {
        self.logs.withLock { $0 }.compactMap { log in
            guard let text = try? Data(contentsOf: log), !text.isEmpty else { return nil }
            let end = String(decoding: text.suffix(ServerLogs.maximumBytes), as: UTF8.self)
            return "\(log.lastPathComponent), the end of it:\n\(end)"
        }
    }
}
