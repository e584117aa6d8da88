import GRDB
import TallyCore

/// Reads what the store holds. All of one answer comes from one state of the file.
enum StoredMetrics {
    static func read(client: Name, test: Name?, _ db: Database) throws -> ClientMetrics? {
        let find = try SQLStatement(
            db,
            """
            SELECT max(updated_at), (SELECT flushed_at FROM store_state) FROM store_tests WHERE client = ?
            """)
        find.bind(1, client)
        let found = try find.first { row in
            // A flush that has applied the client's first batch but has not ended yet has left no time of its own.
            row.integerOrNil(0).map { updatedAt in row.integerOrNil(1) ?? updatedAt }
        }
        guard let flushedAt = found ?? nil else { return nil }

        var tests: [TestMetrics] = []
        let select = try SQLStatement(
            db,
            "SELECT test, first_tracked_at, updated_at FROM store_tests WHERE client = ?1"
                + (test == nil ? "" : " AND test = ?2") + " ORDER BY test")
        select.bind(1, client)
        if let test { select.bind(2, test) }
        try select.forEach { row in
            let name = row.name(0)
            tests.append(
                try self.test(client, name, firstTrackedAt: row.integer(1), updatedAt: row.integer(2), db))
        }
        return ClientMetrics(client: client, flushedAt: flushedAt, tests: tests)
    }

    static func clients(_ db: Database) throws -> [ClientSummary] {
        let select = try SQLStatement(
            db,
            """
            SELECT client, count(*), max(updated_at),
                (SELECT coalesce(sum(count), 0) FROM store_counts
                 WHERE store_counts.client = store_tests.client AND event = ?)
            FROM store_tests GROUP BY client ORDER BY client
            """)
        select.bind(1, Name.view)
        var clients: [ClientSummary] = []
        try select.forEach { row in
            clients.append(
                ClientSummary(
                    client: row.name(0), tests: Int(row.integer(1)), total: row.integer(3), updatedAt: row.integer(2)))
        }
        return clients
    }

    private static func test(
        _ client: Name, _ test: Name, firstTrackedAt: Int64, updatedAt: Int64, _ db: Database
    ) throws -> TestMetrics {
        var views: [TestMetrics.Variation] = []
        var total: Int64 = 0
        var events: [TestMetrics.Event] = []
        let select = try SQLStatement(
            db,
            "SELECT event, variation, count FROM store_counts WHERE client = ? AND test = ? ORDER BY event, variation")
        select.bind(1, client)
        select.bind(2, test)
        var variations: [TestMetrics.Variation] = []
        var current: Name?
        func finishEvent() {
            guard let current else { return }
            if current == .view {
                views = variations
            } else {
                events.append(.init(name: current, variations: variations))
            }
            variations = []
        }
        try select.forEach { row in
            let event = row.name(0)
            if event != current {
                finishEvent()
                current = event
            }
            let count = row.integer(2)
            variations.append(.init(name: row.name(1), count: count))
            if event == .view {
                let (sum, overflow) = total.addingReportingOverflow(count)
                guard !overflow else { throw StoreError(.malformed, "the total of a test would exceed \(Int64.max)") }
                total = sum
            }
        }
        finishEvent()
        return TestMetrics(
            test: test, variations: views, total: total, events: events, firstTrackedAt: firstTrackedAt,
            updatedAt: updatedAt)
    }
}
