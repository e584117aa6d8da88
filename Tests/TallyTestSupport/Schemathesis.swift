import Foundation

/// Tries a description of an HTTP interface against a running service: https://schemathesis.readthedocs.io
public enum Schemathesis {
    /// Runs it with what Tests/OpenAPI says.
    /// - Returns: how it ended, and its report.
    /// - Throws: `TestSupportError` where it is not installed, or does not end in time.
    public static func run(against url: String, within limit: Duration) async throws -> (
        exit: ServerProcess.Exit, report: String
    ) {
        let python = try Executable.find(
            variable: "SCHEMATHESIS_PYTHON",
            candidates: [Executable.repository.appendingPathComponent(".tools/venv/bin/python3").path],
            advice: "Run the tests with `make test`, or run: Scripts/setup-schemathesis")
        // It writes its cache where it works.
        let folder = try TemporaryDirectory("schemathesis")
        let tests = Executable.repository.appendingPathComponent("Tests/OpenAPI")
        for name in ["schemathesis.toml", "hooks.py"] {
            try FileManager.default.copyItem(
                at: tests.appendingPathComponent(name), to: folder.url.appendingPathComponent(name))
        }
        let (exit, output) = try await ToolRun.run(
            python, ["-m", "schemathesis.cli", "run", "\(url)/openapi.json"], directory: folder.url, within: limit)
        return (exit, output)
    }
}
