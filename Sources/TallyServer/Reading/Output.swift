public import TallyCore
public import TallyFlush

/// The numbers as the HTTP API gives them, for the command line.
public enum Output {
    public static func json(_ metrics: ClientMetrics) -> String {
        String(decoding: MetricsJSON.render(metrics), as: UTF8.self)
    }

    public static func csv(_ metrics: ClientMetrics) -> String {
        String(decoding: MetricsCSV.render(metrics), as: UTF8.self)
    }

    public static func json(_ clients: [ClientSummary]) -> String {
        String(decoding: MetricsJSON.render(clients), as: UTF8.self)
    }

    public static func json(_ report: AuditReport) -> String {
        String(decoding: AuditJSON.render(report), as: UTF8.self)
    }
}
