import TallyCore
import TallyTestSupport
import Testing

/// Holds the rounds of an attack against the store, one after the other on the same servers: what a round added to a
/// counter must lie between what was acknowledged in it and that plus what had no answer.
struct Books {
    let attack: String
    let deployment: Deployment
    private var counted: [Counter: Int64] = [:]
    private var lastCheck = ContinuousClock.now

    init(_ attack: String, _ deployment: Deployment) {
        self.attack = attack
        self.deployment = deployment
    }

    /// Flushes, and checks what was counted since the last check. Traffic must have stopped, and all servers be there.
    /// - Parameters:
    ///   - faults: how many there were since the last check, for the report.
    ///   - exactly: nothing may be counted but what was acknowledged.
    mutating func check(
        _ ledger: Ledger, _ tally: TallyProcess, round: Int, faults: Int = 1, exactly: Bool = false
    ) async throws {
        let wrong = try await self.violations(ledger, tally, exactly: exactly)
        let pending = try await self.deployment.pendingCount()
        let place = "\(self.attack), round \(round), TALLY_SEED=\(Torture.seed)"
        #expect(wrong.isEmpty, "\(place)\n\(wrong.joined(separator: "\n"))\n\(tally.log.suffix(6_000))")
        #expect(pending == 0, "\(place): \(pending) entries are left in the buffer after a flush")
        let total = ledger.total
        TortureReport.add(
            attack: self.attack, faults: faults, acknowledged: total.acknowledged, unanswered: total.unanswered,
            refused: total.refused, violations: wrong.count + (pending == 0 ? 0 : 1), took: .now - self.lastCheck)
        self.lastCheck = .now
    }

    /// - Returns: what is wrong, one line for each counter.
    mutating func violations(_ ledger: Ledger, _ tally: TallyProcess, exactly: Bool = false) async throws -> [String] {
        try await self.settle(tally)
        try await self.deployment.forgetFlushLock()
        try await self.deployment.flush(tally)
        let clients = Set(ledger.clients).union(self.counted.keys.map(\.client)).sorted()
        let now = try await self.deployment.countedInStore(clients: clients).filter { $0.key.client != Self.prober }
        let added = now.merging(self.counted) { $0 - $1 }.filter { $0.value != 0 }
        let shown = try await self.deployment.countedByAPI(tally, clients: clients)
        self.counted = now
        return ledger.check(counted: added, exactly: exactly)
            + (shown == now ? [] : ["/get-metric shows something else than the store holds"])
    }

    /// Whether the store has everything that was acknowledged since the last check.
    func isStored(_ ledger: Ledger) async throws -> Bool {
        let now = try await self.deployment.countedInStore(clients: ledger.clients)
        return ledger.entries.allSatisfy { counter, entry in
            (now[counter] ?? 0) - (self.counted[counter] ?? 0) >= entry.acknowledged
        }
    }

    private func logs(_ tally: TallyProcess) -> String {
        "\(tally.log.suffix(4_000))\n--- Redis ---\n\(self.deployment.redis?.log.suffix(6_000) ?? "none")"
    }

    private static let prober: Name = "prober"

    /// Waits until every lane has settled what it had sent and had no answer to.
    ///
    /// A count with an event ID is taken by the buffer alone, never by the spool, and a lane has one batch under way: so
    /// when it is acknowledged, everything before it on that lane is settled. Connections go round the event loops.
    private func settle(_ tally: TallyProcess) async throws {
        let client = Self.prober
        for probe in 0..<8 {
            let path =
                "/track?clientName=\(client)&testID=settled&variation=\(probe)&eventID=\(UInt64.random(in: 0 ... .max))"
            try await eventually(within: .seconds(60), "every lane to reach the buffer", log: { self.logs(tally) }) {
                try await TestConnection.once(port: tally.port, .GET, path).status == 200
            }
        }
    }
}
