/// One line of an exposition.
public struct MetricSample: Sendable, Equatable {
    public let name: String
    public let labels: [String: String]
    public let value: Double

    /// Reads the samples of a text for Prometheus, in their order; for label values without quotes and backslashes,
    /// which is all that tally writes.
    /// - Throws: `TestSupportError` where a line is no sample.
    public static func parse(_ text: String) throws -> [MetricSample] {
        try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                throw TestSupportError("no sample: \(line)")
            }
            let series = line[..<space]
            guard let brace = series.firstIndex(of: "{") else {
                return MetricSample(name: String(series), labels: [:], value: value)
            }
            var labels: [String: String] = [:]
            for pair in series[series.index(after: brace)...].dropLast().split(separator: ",") {
                let parts = pair.split(separator: "=", maxSplits: 1)
                guard parts.count == 2 else { throw TestSupportError("no label: \(pair) in \(line)") }
                labels[String(parts[0])] = String(parts[1].dropFirst().dropLast())
            }
            return MetricSample(name: String(series[..<brace]), labels: labels, value: value)
        }
    }
}

extension [MetricSample] {
    /// The value of a series; nil where it is not there.
    public func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        self.first { $0.name == name && $0.labels == labels }?.value
    }
}

extension TallyProcess {
    /// What `GET /metrics` says.
    public func exposition() async throws -> String {
        let response = try await TestConnection.once(port: self.port, .GET, "/metrics")
        guard response.status == 200 else { throw TestSupportError("metrics: \(response.status) \(response.text)") }
        return response.text
    }

    /// What `GET /metrics` says, line by line.
    public func metrics() async throws -> [MetricSample] { try MetricSample.parse(try await self.exposition()) }
}
