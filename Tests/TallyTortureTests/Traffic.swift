import TallyTestSupport
import Testing

/// Counts while `attack` runs.
///
/// - Parameters:
///   - eventIDs: what has no answer is sent again under its event ID until it is acknowledged, so that nothing stays
///     unanswered.
///   - pause: between two requests of a connection, for attacks that last.
///   - stop: ends the traffic before the attack does; what was sent has its answer when all is over.
/// - Returns: what came of the requests; `surprises` are held against the test already.
@discardableResult
func withTraffic(
    to instances: [TallyProcess], seed: UInt64, counters: Int = 300, eventIDs: Bool = false, pause: Duration = .zero,
    stop: TrafficGenerator.StopFlag = .init(), _ ledger: Ledger, attack: () async throws -> Void
) async throws -> TrafficGenerator.Report {
    let traffic = TrafficGenerator(
        .init(
            seed: seed, connections: 8, counts: .max, counters: counters, eventIDs: eventIDs, pause: pause,
            reconnectsWithin: .seconds(60)),
        ledger: ledger)
    let ports = instances.map(\.port)
    async let running = traffic.run(ports: ports, stop: stop)
    do {
        try await attack()
    } catch {
        stop.stop()
        _ = try? await running
        throw error
    }
    stop.stop()
    let report = try await running
    #expect(report.surprises.isEmpty)
    #expect(!eventIDs || report.unanswered == 0)
    return report
}

/// The same with one instance.
@discardableResult
func withTraffic(
    to tally: TallyProcess, seed: UInt64, counters: Int = 300, eventIDs: Bool = false, pause: Duration = .zero,
    stop: TrafficGenerator.StopFlag = .init(), _ ledger: Ledger, attack: () async throws -> Void
) async throws -> TrafficGenerator.Report {
    try await withTraffic(
        to: [tally], seed: seed, counters: counters, eventIDs: eventIDs, pause: pause, stop: stop, ledger,
        attack: attack)
}

/// Counts so much and not more; everything must be acknowledged.
func count(_ counts: Int, seed: UInt64, counters: Int = 100, _ ledger: Ledger, _ tally: TallyProcess) async throws {
    let traffic = TrafficGenerator(
        .init(seed: seed, connections: 4, counts: counts, counters: counters, itemsPerBatch: 5), ledger: ledger)
    let report = try await traffic.run(port: tally.port)
    #expect(report.surprises.isEmpty && report.unanswered == 0)
}

/// Waits until so many more counts are acknowledged.
func flow(_ ledger: Ledger, _ tally: TallyProcess, counts: Int64 = 50) async throws {
    let before = ledger.total.acknowledged
    try await eventually(within: .seconds(60), "traffic to flow", log: { String(tally.log.suffix(4_000)) }) {
        ledger.total.acknowledged >= before + counts
    }
}

extension Ledger {
    /// What was acknowledged and may be lost all the same, because the buffer was put back to an older state.
    func recordAsUncertain(_ other: Ledger) {
        for (counter, entry) in other.entries { self.recordUnanswered(counter, entry.acknowledged + entry.unanswered) }
    }

    func record(_ other: Ledger) {
        for (counter, entry) in other.entries {
            self.recordAcknowledged(counter, entry.acknowledged)
            self.recordUnanswered(counter, entry.unanswered)
            self.recordRefused(counter, entry.refused)
        }
    }
}
