import Testing

/// A simulation that finds nothing proves nothing unless it would have found something.
@Suite struct ControlTests {
    /// As many worlds a break has to show itself. Their seeds are fixed, so a control is caught always or never.
    private static let seeds: ClosedRange<UInt64> = 1...3_000

    @Test("a protocol without one of its rules is caught", arguments: Break.allCases)
    func caught(_ broken: Break) {
        let failure = Self.seeds.lazy.compactMap { Runs.failure(seed: $0, broken: broken) }.first
        #expect(failure != nil, "\(broken) survived \(Self.seeds.count) runs")
    }
}
