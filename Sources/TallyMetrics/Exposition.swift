/// Writes metrics as text, as Prometheus reads it.
///
/// - Source: text format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/
public enum Exposition {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        // Whole numbers up to 2^53 without a point, as they were counted.
        if let whole = Int64(exactly: value), whole.magnitude <= 1 << 53 { return String(whole) }
        return "\(value)"
    }

    static func head(_ name: String, _ kind: Metric.Kind, help: String) -> String {
        let type =
            switch kind {
            case .counter: "counter"
            case .gauge: "gauge"
            case .durations, .sizes: "histogram"
            }
        return "# HELP \(name) \(self.escaped(help, quotes: false))\n# TYPE \(name) \(type)\n"
    }

    /// `result="counted",status="200"`, or nothing.
    static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { "\(self.name($0.0))=\"\(self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
    }

    /// A name with `_` for every character that a name cannot hold
    /// (https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels).
    static func name(_ label: String) -> String {
        var name = ""
        for scalar in label.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": name.unicodeScalars.append(scalar)
            case "0"..."9" where !name.isEmpty: name.unicodeScalars.append(scalar)
            default: name += "_"
            }
        }
        return name.isEmpty ? "_" : name
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

extension String {
    mutating func appendSample(_ name: String, _ labels: String, _ value: String) {
        self += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }
}
