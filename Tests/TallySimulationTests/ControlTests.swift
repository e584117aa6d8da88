import TallyTestSupport
import Testing

/// A simulation that finds nothing proves nothing unless it would have found something.
@Suite struct ControlTests {
    /// As many worlds a break has to show itself. Their seeds are fixed, so a control is caught always or never.
    private static let seeds: ClosedRange<UInt64> = 1...3_000

    @Test("a protocol without one of its rules is caught", arguments: Break.allCases)
    func caught(_ broken: Break) async {
        for seed in Self.seeds {
            guard Runs.failure(seed: seed, broken: broken) == nil else { return }
            await Torture.giveWay(run: Int(seed))
        }
        Issue.record("\(broken) survived \(Self.seeds.count) runs")
    }
}
