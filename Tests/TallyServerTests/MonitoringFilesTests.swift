import Foundation
import TallyMetrics
import TallyTestSupport
import Testing

extension EndToEnd {
    /// The alerts and the dashboard that come with tally, held to the metrics that there are.
    @Suite struct MonitoringFiles {
        private static let folder = Executable.repository.appendingPathComponent("Packaging")

        @Test("each alert fires when its time has come, and none while all is well")
        func alerts() async throws {
            let folder = Self.folder.appendingPathComponent("prometheus")
            let check = try await ToolRun.run("promtool", ["check", "rules", "tally.rules.yml"], directory: folder)
            #expect(check.exit == .code(0), "\(check.output)")
            let test = try await ToolRun.run("promtool", ["test", "rules", "tally.rules.test.yml"], directory: folder)
            #expect(test.exit == .code(0), "\(test.output)")
        }

        @Test("every expression of alerts and dashboard is one of Prometheus, about series that there are")
        func expressions() async throws {
            let deployment = try await Deployment.start(.redis)
            let tally = try await TallyProcess.start(deployment.settings())
            #expect(
                try await TestConnection.once(
                    port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=A"
                ).status == 200)
            let rules = Self.folder.appendingPathComponent("prometheus/tally.rules.yml").path
            let prometheus = try await PrometheusServer.start(scraping: tally.port, rules: rules)
            try await eventually(within: .seconds(30), "a scrape") {
                try await !prometheus.query("tally_job_runs_total").isEmpty
            }
            try await eventually(within: .seconds(30), "the rules to be evaluated") {
                try await prometheus.rules().allSatisfy { $0.health == "ok" }
            }
            let alerts = try await prometheus.rules()
            #expect(alerts.count >= 10)
            let panels = try self.expressionsOfDashboard()
            #expect(panels.count >= 30)
            for expression in alerts.map(\.expression) + panels {
                _ = try await prometheus.query(expression)
                let selectors = Selector.all(in: expression)
                #expect(!selectors.isEmpty, "\(expression)")
                for selector in selectors {
                    let series = try await prometheus.query("count(\(selector.name))")
                    #expect(!series.isEmpty, "\(selector.name) has no series")
                    let known = try #require(selector.labels, "\(selector.name) is no metric of tally")
                    #expect(known.isSuperset(of: selector.matched), "\(selector)")
                }
                let labels = selectors.reduce(into: Set<String>()) { $0.formUnion($1.labels ?? []) }
                for match in expression.matches(of: /by ?\(([^)]*)\)/) {
                    let names = Set(match.output.1.split(separator: ",").map { $0.filter { $0 != " " } })
                    #expect(labels.isSuperset(of: names), "\(expression)")
                }
            }
        }

        /// The expressions, with values for the dashboard's variables.
        private func expressionsOfDashboard() throws -> [String] {
            let file = Self.folder.appendingPathComponent("grafana/tally.json")
            let dashboard = try JSONValue(parsing: try Data(contentsOf: file))
            return (dashboard["panels"]?.array ?? []).flatMap { $0["targets"]?.array ?? [] }.compactMap {
                $0["expr"]?.string?.replacing("$__rate_interval", with: "1m").replacing("$job", with: ".*")
                    .replacing("$instance", with: ".*")
            }
        }
    }
}

/// A metric's name in an expression, with the labels that are asked for.
private struct Selector {
    let name: String
    let matched: Set<String>

    /// What Prometheus adds to every series.
    private static let ofScrapes: Set<String> = ["job", "instance"]

    static func all(in expression: String) -> [Selector] {
        expression.matches(of: /\b((?:tally|process)_\w+|up)\b(?:\{([^}]*)\})?/).map { match in
            let matchers = match.output.2?.matches(of: /(\w+)\s*(?:=~|!~|!=|=)\s*"/) ?? []
            return Selector(name: String(match.output.1), matched: Set(matchers.map { String($0.output.1) }))
        }
    }

    /// The labels that its series have; nil for a metric that is not there.
    var labels: Set<String>? {
        if self.name == "up" { return Self.ofScrapes }
        for suffix in ["", "_bucket", "_sum", "_count"] where self.name.hasSuffix(suffix) {
            guard let metric = Metric(rawValue: String(self.name.dropLast(suffix.count))) else { continue }
            let isHistogram = ![.counter, .gauge].contains(metric.details.kind)
            guard isHistogram != suffix.isEmpty else { continue }
            return Self.ofScrapes.union(metric.details.labels).union(suffix == "_bucket" ? ["le"] : [])
        }
        return nil
    }
}
