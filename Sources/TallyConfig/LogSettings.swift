/// The least important log lines that are written. The names are those of swift-log's `Logger.Level`.
public enum LogLevel: String, CaseIterable, Sendable {
    case trace, debug, info, notice, warning, error, critical
}

/// How log lines are written.
public enum LogFormat: String, CaseIterable, Sendable {
    /// For people.
    case text
    /// For machines: one JSON object a line.
    case json
}
