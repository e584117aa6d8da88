import TallyTestSupport

/// The one source of chance of a run: the same seed gives the same run.
final class Chance {
    private var source: SplitMix64

    init(seed: UInt64) { self.source = SplitMix64(seed: seed) }

    /// A number from 0 to one below `bound`.
    func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: self.source.next() % UInt64(bound)) }

    func percent(_ share: Int) -> Bool { share > 0 && self.below(100) < share }

    /// An index, each as often as its weight says; nil where all weights are 0.
    func index(weights: [Int], sum: Int) -> Int? {
        guard sum > 0 else { return nil }
        var rest = self.below(sum)
        for (index, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 { return index }
        }
        return nil
    }
}
