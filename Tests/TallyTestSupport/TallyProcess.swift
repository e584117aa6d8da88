public import Foundation
import Synchronization
public import TallyCore

/// The built `tally` program, serving, with a folder for its data of its own.
///
/// It is killed when the last reference goes, and at the latest with the test process.
public final class TallyProcess: Sendable {
    private let process = Mutex<ServerProcess?>(nil)
    private let folder: TemporaryDirectory
    private let executable: String
    private let arguments: [String]
    private let settings: [String: String]
    private let output: Output
    private let fileLimit: Int?

    public let port: Int

    public enum Output: Sendable {
        case log
        case pipe(NamedPipe)
        /// It is closed, as are standard input and standard error.
        case closed
    }

    /// Starts it and waits until `/livez` answers.
    ///
    /// - Parameters:
    ///   - settings: environment variables on top of `HOST`, `PORT`, `DATA_DIR` and a quiet log; those of the tests that
    ///     are settings of tally are not passed on. They win.
    ///   - arguments: further arguments after `serve`.
    ///   - output: where standard output goes.
    ///   - fileLimit: how many files it may have open, and may not raise that; nil for what the tests may have.
    /// - Throws: `TestSupportError` where it was not built, or does not come up; its text ends with its log.
    public static func start(
        _ settings: [String: String] = [:], arguments: [String] = [], output: Output = .log, fileLimit: Int? = nil
    ) async throws -> TallyProcess {
        let executable = try self.findExecutable()
        let named = settings["PORT"].flatMap { Int($0) } ?? 0
        let port = try named == 0 ? FreePort.next() : named
        let tally = try TallyProcess(
            executable: executable, port: port, settings: settings, arguments: arguments, output: output,
            fileLimit: fileLimit)
        try await tally.launch()
        return tally
    }

    /// `$TALLY_BINARY`, else the one beside the running test program.
    static func findExecutable() throws -> String {
        try Executable.find(
            variable: "TALLY_BINARY", candidates: [Executable.buildFolder.appendingPathComponent("tally").path],
            advice: "Build it before the tests: swift build --build-tests (`make test` does), or set TALLY_BINARY.")
    }

    /// The path of something that was built beside the program, such as a library.
    public static func builtFile(_ name: String) -> String { Executable.buildFolder.appendingPathComponent(name).path }

    private init(
        executable: String, port: Int, settings: [String: String], arguments: [String], output: Output, fileLimit: Int?
    ) throws {
        self.executable = executable
        self.output = output
        self.fileLimit = fileLimit
        self.port = port
        self.folder = try TemporaryDirectory("tally")
        self.arguments = arguments
        var all = [
            "HOST": "127.0.0.1", "DATA_DIR": self.folder.url.appendingPathComponent("data").path, "LOG_LEVEL": "info",
        ]
        all.merge(settings) { $1 }
        all["PORT"] = String(port)
        self.settings = all
    }

    /// Only what a program needs in general: a REDIS_URL in the shell of whoever runs the tests must not reach it.
    private static func environment(_ settings: [String: String]) -> [String: String] {
        let kept = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SWIFT_BACKTRACE"]
        return ProcessInfo.processInfo.environment.filter { kept.contains($0.key) }.merging(settings) { $1 }
    }

    public var baseURL: String { "http://127.0.0.1:\(self.port)" }

    /// Where its files lie.
    public var dataDirectory: URL { URL(fileURLWithPath: self.settings["DATA_DIR"] ?? self.folder.path) }

    /// Everything it has written, over all starts.
    public var log: String { self.running?.log ?? "" }

    public var isRunning: Bool { self.running?.isRunning ?? false }

    public var pid: Int32? { self.running?.pid }

    private var running: ServerProcess? { self.process.withLock { $0 } }

    // MARK: Life

    /// Ends it without a chance to finish anything.
    public func kill() async throws { try await self.end(SIGKILL, within: .seconds(30)) }

    /// Asks it to stop (SIGTERM), and waits.
    /// - Returns: its exit code; nil where a signal ended it.
    @discardableResult
    public func terminate(within limit: Duration = .seconds(60)) async throws -> Int32? {
        guard case .code(let code) = try await self.end(SIGTERM, within: limit) else { return nil }
        return code
    }

    /// Sends any signal and does not wait.
    public func send(_ signal: Int32) { self.running?.kill(signal) }

    /// Waits until it has ended by itself.
    @discardableResult
    public func waitUntilExit(within limit: Duration = .seconds(60)) async throws -> ServerProcess.Exit {
        guard let process = self.running else { throw TestSupportError("tally was not started") }
        return try await process.waitUntilExit(within: limit)
    }

    /// Starts it again with the same settings, port and data; kills it first where it still runs.
    /// - Parameter more: settings of this start alone.
    public func restart(_ more: [String: String] = [:]) async throws {
        if self.isRunning { try await self.kill() }
        try await self.launch(more)
    }

    /// Freezes it.
    public func pause() { self.running?.kill(SIGSTOP) }

    public func resume() { self.running?.kill(SIGCONT) }

    @discardableResult
    private func end(_ signal: Int32, within limit: Duration) async throws -> ServerProcess.Exit {
        guard let process = self.running else { throw TestSupportError("tally was not started") }
        process.kill(signal)
        process.kill(SIGCONT)
        return try await process.waitUntilExit(within: limit)
    }

    private func launch(_ more: [String: String] = [:]) async throws {
        var command = [self.executable, "serve"] + self.arguments
        switch self.output {
        case .log: break
        case .pipe(let pipe):
            // Opened for both first, since opening it to write waits for a reader, and it may have none.
            command = ["sh", "-c", #"pipe="$0"; exec 3<>"$pipe" >"$pipe" 3<&- "$@""#, pipe.path] + command
        case .closed: command = ["sh", "-c", #"exec "$@" <&- >&- 2>&-"#, "sh"] + command
        }
        if let fileLimit { command = ["sh", "-c", #"ulimit -n "$0" && exec "$@""#, String(fileLimit)] + command }
        let process = try await ServerProcess.start(
            command[0], Array(command.dropFirst()), environment: Self.environment(self.settings.merging(more) { $1 }),
            directory: self.folder.url,
            logFile: self.folder.url.appendingPathComponent("tally.log"))
        self.process.withLock { $0 = process }
        try await process.wait(within: .seconds(30), "tally to answer on port \(self.port)") {
            let trusted = self.settings["TLS_CERT_FILE"]
            return try await TestConnection.once(port: self.port, trusting: trusted, .GET, "/livez").status == 200
                && process.isRunning
        }
    }

    // MARK: Other commands

    /// Runs another command of the program with the same settings to its end, such as `["flush"]`.
    /// - Returns: how it ended, and what it wrote to standard output and standard error.
    public func run(_ arguments: [String], within limit: Duration = .seconds(60)) async throws -> (
        exit: ServerProcess.Exit, output: String
    ) {
        try await Self.run(
            arguments, environment: Self.environment(self.settings), directory: self.folder.url, within: limit)
    }

    /// Runs another command of the program with the same settings, on a terminal of so many columns.
    /// - Parameter settings: environment variables on top of those of the service.
    public func runOnTerminal(
        _ arguments: [String], columns: Int, settings: [String: String] = [:]
    ) async throws -> (exit: ServerProcess.Exit, output: String) {
        let words = (["tally"] + arguments).map { "'\($0.replacingOccurrences(of: "'", with: #"'\''"#))'" }
        return try await self.shell(
            words.joined(separator: " "), settings: self.settings.merging(settings) { $1 }, columns: columns)
    }

    /// Runs a line of a shell where the service works, with `tally` on the PATH and no settings but these, so that
    /// commands find what they would find there. It comes to its end within a minute.
    /// - Parameter columns: of the terminal that it runs on; nil for none.
    public func shell(
        _ line: String, settings: [String: String], columns: Int? = nil
    ) async throws -> (exit: ServerProcess.Exit, output: String) {
        var environment = Self.environment(settings).merging(["TERM": "xterm", "SHELL": "/bin/sh"]) { $1 }
        let folder = URL(fileURLWithPath: self.executable).deletingLastPathComponent().path
        environment["PATH"] = "\(folder):\(environment["PATH"] ?? "/usr/bin:/bin")"
        let command =
            columns.map { ["script", "--quiet", "--return", "--command", "stty cols \($0); \(line)", "/dev/null"] }
            ?? ["sh", "-c", line]
        let process = try await ServerProcess.start(
            command[0], Array(command.dropFirst()), environment: environment, directory: self.folder.url,
            logFile: self.folder.url.appendingPathComponent("shell-\(UUID().uuidString).log"))
        let exit = try await process.waitUntilExit(within: .seconds(60))
        // A terminal ends its lines with both characters.
        return (exit, columns == nil ? process.log : process.log.replacingOccurrences(of: "\r\n", with: "\n"))
    }

    /// Runs another command of the program with the same settings, which dies at a place on its way (`FailPoint`).
    /// - Throws: `TestSupportError` where it ends otherwise.
    public func run(_ arguments: [String], dyingAt place: FailPoint, passing: Int) async throws {
        let settings = self.settings.merging(["TALLY_FAILPOINT": "\(place.rawValue):\(passing)"]) { $1 }
        let (exit, output) = try await Self.run(
            arguments, environment: Self.environment(settings), directory: self.folder.url, within: .seconds(60))
        guard exit == .signal(SIGKILL) else {
            throw TestSupportError(
                "it did not die at passing \(passing) of \(place.rawValue), but ended with \(exit): \(output)")
        }
    }

    /// Starts another command of the program with the same settings, for tests that freeze or kill it.
    public func start(_ arguments: [String]) async throws -> ServerProcess {
        try await Self.start(arguments, environment: Self.environment(self.settings), directory: self.folder.url)
    }

    /// Runs a command of the program with these settings alone.
    public static func run(
        _ arguments: [String], settings: [String: String], within limit: Duration = .seconds(60)
    ) async throws -> (exit: ServerProcess.Exit, output: String) {
        let folder = try TemporaryDirectory("tally-command")
        return try await self.run(
            arguments, environment: self.environment(settings), directory: folder.url, within: limit)
    }

    /// Starts a command of the program with these settings alone.
    public static func start(_ arguments: [String], settings: [String: String]) async throws -> ServerProcess {
        try await self.start(
            arguments, environment: self.environment(settings), directory: FileManager.default.temporaryDirectory)
    }

    private static func run(
        _ arguments: [String], environment: [String: String], directory: URL, within limit: Duration
    ) async throws -> (exit: ServerProcess.Exit, output: String) {
        let process = try await self.start(arguments, environment: environment, directory: directory)
        let exit = try await process.waitUntilExit(within: limit)
        return (exit, process.log)
    }

    private static func start(
        _ arguments: [String], environment: [String: String], directory: URL
    ) async throws -> ServerProcess {
        try await ServerProcess.start(
            self.findExecutable(), arguments, environment: environment, directory: directory,
            logFile: directory.appendingPathComponent("command-\(UUID().uuidString).log"))
    }
}
