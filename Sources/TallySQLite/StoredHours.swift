import GRDB
import TallyCore

/// Reads the hours that the store holds, some at a time.
enum StoredHours {
    /// Rows after which an answer ends, at the end of an hour.
    static let rowsAtOnce = 5_000

    static func read(client: Name, after last: HourCounts?, _ db: Database) throws -> [HourCounts] {
        // The primary key is (client, test, hour, event, variation): this walks along it.
        let select = try SQLStatement(
            db,
            """
            SELECT test, hour, event, variation, count FROM store_hourly
            WHERE client = ?1 AND (test, hour) > (?2, ?3) ORDER BY test, hour, event, variation
            """)
        select.bind(1, client)
        select.bind(2, last?.test ?? "")
        select.bind(3, last?.hour.hoursSince1970 ?? Int64.min)
        var hours: [HourCounts] = []
        var rows = 0
        var current: (test: Name, hour: Hour)?
        var counts: [DocumentCounts.Count] = []
        func finish() {
            if let current { hours.append(HourCounts(test: current.test, hour: current.hour, counts: counts)) }
            counts = []
        }
        try select.walk { row in
            let (test, hour) = (row.name(0), Hour(hoursSince1970: row.integer(1)))
            if current.map({ $0 != (test, hour) }) ?? true {
                if rows >= Self.rowsAtOnce { return false }
                finish()
                current = (test, hour)
            }
            counts.append(.init(variation: row.name(3), event: row.name(2), count: row.integer(4)))
            rows += 1
            return true
        }
        finish()
        return hours
    }
}
