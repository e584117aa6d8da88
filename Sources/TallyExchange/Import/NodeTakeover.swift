public import TallyCore

/// Makes records of the counts that the Node service kept in MongoDB and in Redis.
public enum NodeTakeover {
    /// What stands in the ledger of epochs in the place of a buffer.
    public static func kind(of client: Name) -> String { "node \(client)" }

    /// Sums up, and checks the names.
    /// - Returns: the records of each client, in an order that follows from them, and a line for each name that cannot
    ///   be taken over.
    public static func records(
        of counts: [ForeignCounts.Count]
    ) -> (clients: [(client: Name, records: [CountRecord])], faults: [String]) {
        var faults: [String] = []
        var sums: [Name: [[UInt8]: Int64]] = [:]
        var totals: [Name: Int64] = [:]
        for count in counts {
            guard let names = self.names(of: count, &faults) else { continue }
            guard count.count >= 0 else {
                faults.append(
                    "\(count.place): variation \(JSONText.string(count.variation)) has fewer counts than none")
                continue
            }
            guard count.count > 0 else { continue }
            let field = CounterField.pack(client: names[0], test: names[1], variation: names[2], event: .view)
            let (total, overflow) = totals[names[0], default: 0].addingReportingOverflow(count.count)
            guard !overflow else {
                faults.append("\(count.place): with it the client's counts would exceed \(Int64.max)")
                continue
            }
            totals[names[0]] = total
            sums[names[0], default: [:]][field, default: 0] += count.count
        }
        let clients = sums.sorted { $0.key < $1.key }.map { client, counts in
            let sorted = counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            return (
                client: client,
                records: sorted.compactMap { field, count in
                    CounterField.unpack(field).map {
                        CountRecord(
                            client: $0.client, test: $0.test, variation: $0.variation, event: $0.event, hour: nil,
                            count: count)
                    }
                }
            )
        }
        return (clients, faults)
    }

    private static func names(of count: ForeignCounts.Count, _ faults: inout [String]) -> [Name]? {
        let checks: [(String, String, String?)] = [
            ("client", count.client, NameRules.faultInClient(Array(count.client.utf8))),
            ("test", count.test, NameRules.faultInName(Array(count.test.utf8))),
            ("variation", count.variation, NameRules.faultInName(Array(count.variation.utf8))),
        ]
        let found = checks.compactMap { what, name, fault in fault.map { "\(what) \(JSONText.string(name)) \($0)" } }
        guard found.isEmpty else {
            faults.append("\(count.place): \(found.joined(separator: "; "))")
            return nil
        }
        return checks.map { Name($0.1) }
    }
}
