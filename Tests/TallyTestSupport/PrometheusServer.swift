import Foundation

/// A Prometheus of one test's own, which scrapes one service.
public final class PrometheusServer: Sendable {
    private let process: ServerProcess
    private let folder: TemporaryDirectory
    private let port: Int

    /// Starts it and waits until it answers.
    /// - Parameters:
    ///   - target: the port that it scrapes, every second.
    ///   - rules: the path of a file of rules, evaluated as often.
    public static func start(scraping target: Int, rules: String? = nil) async throws -> PrometheusServer {
        let executable = try Executable.find(
            variable: "PROMETHEUS", candidates: ["prometheus"],
            advice: "Run the tests with `make test`, which installs it, or run: apt-get install prometheus")
        let folder = try TemporaryDirectory("prometheus")
        let configuration = """
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
            rule_files: [\(rules.map { "\"\($0)\"" } ?? "")]
            scrape_configs:
              - job_name: tally
                static_configs: [{targets: ["127.0.0.1:\(target)"]}]

            """
        try Data(configuration.utf8).write(to: folder.url.appendingPathComponent("prometheus.yml"))
        return try await FreePort.retrying { port in
            let process = try await ServerProcess.start(
                executable,
                [
                    "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                    "--web.listen-address=127.0.0.1:\(port)",
                ], directory: folder.url, logFile: folder.url.appendingPathComponent("prometheus.log"))
            try await process.wait(within: .seconds(30), "prometheus to answer") {
                try await TestConnection.once(port: port, .GET, "/-/ready").status == 200
            }
            return PrometheusServer(process: process, folder: folder, port: port)
        }
    }

    private init(process: ServerProcess, folder: TemporaryDirectory, port: Int) {
        self.process = process
        self.folder = folder
        self.port = port
    }

    /// A rule as Prometheus has read it.
    public struct Rule: Sendable {
        public let name: String
        public let expression: String
        /// `ok` once it was evaluated.
        public let health: String
    }

    public func rules() async throws -> [Rule] {
        let response = try await TestConnection.once(port: self.port, .GET, "/api/v1/rules")
        let groups = try response.json()["data"]?["groups"]?.array ?? []
        return groups.flatMap { $0["rules"]?.array ?? [] }.map { rule in
            Rule(
                name: rule["name"]?.string ?? "", expression: rule["query"]?.string ?? "",
                health: rule["health"]?.string ?? "")
        }
    }

    /// The values that an expression has now, one for each series.
    /// - Throws: `TestSupportError` where Prometheus does not take the expression.
    public func query(_ expression: String) async throws -> [Double] {
        let escaped = expression.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let response = try await TestConnection.once(port: self.port, .GET, "/api/v1/query?query=\(escaped)")
        guard response.status == 200 else {
            throw TestSupportError("\(expression): \(response.status) \(response.text)")
        }
        let result = try response.json()["data"]?["result"]?.array ?? []
        return result.compactMap { $0["value"]?[1]?.string.flatMap { Double($0) } }
    }
}
