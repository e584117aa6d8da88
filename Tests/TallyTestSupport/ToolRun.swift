public import Foundation

/// One run of another program to its end, such as `promtool` or `jq`.
public enum ToolRun {
    /// Runs a program on a text.
    /// - Parameters:
    ///   - input: what it reads from standard input; nil for nothing.
    ///   - directory: where it works; nil is where the tests work.
    /// - Returns: how it ended, and what it wrote to standard output and standard error.
    /// - Throws: `TestSupportError` where there is no such program, or it does not end in time.
    public static func run(
        _ program: String, _ arguments: [String], input: String? = nil, directory: URL? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> (exit: ServerProcess.Exit, output: String) {
        guard let path = Executable.find(program) else {
            throw TestSupportError("there is no program \(program); `make setup-tests` installs it")
        }
        let folder = try TemporaryDirectory("tool")
        let file = folder.url.appendingPathComponent("input")
        try Data((input ?? "").utf8).write(to: file)
        // By way of a shell, which is where standard input can be a file.
        let process = try await ServerProcess.start(
            "/bin/sh", ["-c", #"input=$0; exec "$@" < "$input""#, file.path, path] + arguments, directory: directory,
            logFile: folder.url.appendingPathComponent("output"))
        let exit = try await process.waitUntilExit(within: limit)
        return (exit, process.log)
    }
}
