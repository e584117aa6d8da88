import ArgumentParser
import TallyCore
import TallyFlush
import TallyServer

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the books: accepted = persisted + pending + dead-lettered.",
        discussion: """
            For each buffer and in all. Exits 1 where the books do not balance, 69 where a server cannot be reached. A
            running service checks every minute by itself, and gives the same at GET /audit.

            Examples:
              tally audit
              tally audit --format json
            """)

    @Option(help: "table or json.") var format: TableOrJSON = .table
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage in
                let report = try await Auditor(buffers: storage.buffers, store: storage.store, now: Timestamp.now)
                    .audit()
                print(self.format == .json ? Output.json(report) : AuditTable.render(report, store: storage.store.kind))
                if !report.isBalanced { throw ExitCode(ExitStatus.checkFailed) }
            }
        }
    }
}

/// The books for a person: a line for each buffer and the sum, and one for each epoch that is out of balance.
enum AuditTable {
    /// - Parameter store: the kind of the one in use.
    static func render(_ report: AuditReport, store: String) -> String {
        var rows = report.buffers.map { self.row($0.buffer, $0.sums, self.verdict($0)) }
        if report.others != AuditSums() { rows.append(self.row("others", report.others, "")) }
        rows.append(self.row("all", report.sums, report.isBalanced ? "balanced" : "NOT BALANCED"))
        var text =
            "Books as of \(Timestamp.iso8601(report.checkedAt)): accepted = persisted + pending + dead-lettered\n\n"
            + TextTable.render(
                header: ["buffer", "accepted", "persisted", "pending", "dead-lettered", ""], rows: rows,
                numeric: [1, 2, 3, 4])
        if report.others != AuditSums() {
            text += "\n\nothers: what the store has of past epochs, of imports, and of other instances' buffers"
        }
        if report.restored > 0 {
            text +=
                "\n\n\(Quantity.of(report.restored, "count")) were flushed before a buffer was put back to an older state, "
                + "and are kept"
        }
        if report.elsewhere > 0 {
            let other = store == "embedded" ? "MongoDB" : "the embedded store"
            text +=
                "\n\n\(Quantity.of(report.elsewhere, "more count")) went into \(other) while MONGODB_URI was "
                + "\(store == "embedded" ? "set" : "not set"), and are kept there; tally export and tally import move them"
        }
        if report.sums.deadLettered > 0 {
            text +=
                "\n\ndead-lettered: documents did not take these; tally flush --dead-letters moves them, or says why not"
        }
        if let fault = report.fault { text += "\n\n\(fault)" }
        return text
    }

    private static func row(_ name: String, _ sums: AuditSums, _ verdict: String) -> [String] {
        [name] + [sums.accepted, sums.persisted, sums.pending, sums.deadLettered].map { Quantity.grouped($0) } + [
            verdict
        ]
    }

    private static func verdict(_ buffer: BufferAudit) -> String {
        buffer.isBalanced ? buffer.restored > 0 ? "balanced, restored" : "balanced" : "NOT BALANCED"
    }
}
