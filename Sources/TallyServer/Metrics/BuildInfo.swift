import CoreMetrics
import TallyMetrics

/// What is running, as labels of a metric that is always 1.
enum BuildInfo {
    static func register(version: String, in registry: MetricRegistry) {
        Meter(.buildInfo, ["version": version, "swift": self.swift], in: registry).set(1)
    }

    /// The compiler's version. Swift tells it to conditions only.
    #if compiler(>=6.4)
    static let swift = "6.4 or later"
    #elseif compiler(>=6.3)
    static let swift = "6.3"
    #elseif compiler(>=6.2)
    static let swift = "6.2"
    #else
    static let swift = "6.1"
    #endif
}
