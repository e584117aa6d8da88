/// The least important log lines that are written. The names are those of swift-log's `Logger.Level`.
public enum LogLevel: String, CaseIterable, Sendable {
    case trace, debug, info, notice, warning, error, critical
}
