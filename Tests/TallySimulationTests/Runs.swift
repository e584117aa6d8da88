import TallyTestSupport

/// Many runs, and what to say of those that fail.
enum Runs {
    struct Failure: Sendable, CustomStringConvertible {
        let seed: UInt64
        let faults: [String]
        let trace: [String]

        var description: String {
            "TALLY_SEED=\(self.seed)\n" + self.faults.prefix(8).joined(separator: "\n") + "\nwhat happened last:\n"
                + self.trace.suffix(80).joined(separator: "\n")
        }
    }

    /// What went wrong with this seed; nil where nothing did.
    static func failure(seed: UInt64, broken: Break? = nil) -> Failure? {
        guard !World(seed: seed, broken: broken).run().isEmpty else { return nil }
        // Once more, with a line for everything that happens.
        let world = World(seed: seed, broken: broken, isTraced: true)
        let faults = world.run()
        return Failure(seed: seed, faults: faults, trace: world.trace ?? [])
    }

    /// On two threads; the first few failures, by the order of the seeds.
    static func failures(seeds: [UInt64], atMost: Int) async -> [Failure] {
        await withTaskGroup(of: [Failure].self) { group in
            for part in 0..<2 {
                group.addTask {
                    var failures: [Failure] = []
                    for index in stride(from: part, to: seeds.count, by: 2) where failures.count < atMost {
                        if let failure = Self.failure(seed: seeds[index]) { failures.append(failure) }
                        await Torture.giveWay(run: index / 2)
                    }
                    return failures
                }
            }
            var failures: [Failure] = []
            for await part in group { failures += part }
            return Array(failures.sorted { $0.seed < $1.seed }.prefix(atMost))
        }
    }
}
