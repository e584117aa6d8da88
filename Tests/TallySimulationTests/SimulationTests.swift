import TallyTestSupport
import Testing

/// The counting protocol in a world of chance.
///
/// **What is real:** the rules of a lane (`LaneStateMachine`), the flush (`Flusher`), and the rule by which a document
/// takes a batch or not (`CountUpdate.isApplied`).
///
/// **What is a model:** Redis with its scripts and its append-only file (`ModelRedis`), the spool (`ModelSpool`), MongoDB
/// as a primary and a majority (`ModelMongo`) with the steps of the store on it (`ModelStore`), the connections, and the
/// processes (`SimulatedInstance`, `SimulatedFlusher`). A flusher stops wherever it waits, and goes on when chance wants
/// it.
///
/// **What goes wrong:** connections break, requests arrive after their connection is gone, answers are lost; Redis
/// crashes, loses what was not synced, tears a script, is followed by a replica that lags, is full, forgets scripts, is
/// restored from a copy and then from a newer one, or takes a copy over under standing connections; MongoDB's primary
/// changes and its last writes are rolled back, statements fail, it is away, an epoch that lives is closed as
/// silent; flushers overlap, freeze, thaw late and are killed; instances are killed and come back with an old copy of their spool, or a newer one.
///
/// **What must hold:** `Oracle`. A run is its seed: a failure prints it, and `TALLY_SEED=… swift test --filter
/// TallySimulationTests` begins with that run. `TALLY_TORTURE=1` makes 100,000 runs instead of 2,000.
@Suite struct SimulationTests {
    @Test("whatever goes wrong, every acknowledged count is counted once, and no other than those that nobody knows of")
    func protocolHolds() async {
        let runs = Torture.rounds(full: 100_000, short: 2_000)
        let began = ContinuousClock.now
        let failures = await Runs.failures(seeds: (0..<UInt64(runs)).map { Torture.seed &+ $0 }, atMost: 3)
        TortureReport.add(
            attack: "seeded simulation", faults: runs, violations: failures.count, took: .now - began)
        for failure in failures { Issue.record("\(failure)") }
    }

    @Test("a seed is a run: twice the same, traced or not", arguments: 1...20)
    func deterministic(_ seed: Int) {
        func trace() -> [String]? {
            let world = World(seed: UInt64(seed), isTraced: true)
            _ = world.run()
            return world.trace
        }
        let first = trace()
        #expect(first == trace())
        #expect(first?.isEmpty == false)
    }

    @Test("the runs are worth something: in most of them counts are acknowledged, flushed and endangered")
    func coverage() {
        var acknowledged = 0
        var unknown = 0
        var restored = 0
        var epochs = 0
        var continuations = 0
        for seed in 1...100 {
            let world = World(seed: UInt64(seed))
            _ = world.run()
            for request in world.oracle.requests {
                if case .counted = request.answer { acknowledged += 1 }
                if case .unknown = request.answer { unknown += 1 }
            }
            restored += world.oracle.isRestored ? 1 : 0
            epochs += world.mongo.committed.epochs.count
            continuations += world.mongo.committed.epochs.keys.count { !world.isDrawn($0) }
        }
        #expect(acknowledged > 1_000)
        #expect(unknown > 50)
        #expect(restored > 20)
        #expect(epochs > 200)
        #expect(continuations > 2)
    }
}
