import TallyTestSupport

extension Books {
    /// Makes an attack under traffic, again and again, and checks the books after each round.
    ///
    /// Every other round what has no answer is sent again under its event ID, until nothing is unanswered; the books must
    /// then be exact.
    /// - Parameters:
    ///   - faults: how many each round makes, for the report.
    ///   - beginsWithIDs: whether the first round sends with event IDs.
    ///   - attack: gets the round's chance, and its ledger.
    ///   - afterwards: when the traffic has stopped, before the check.
    mutating func attack(
        _ tally: TallyProcess, rounds: Int, faults: Int = 1, beginsWithIDs: Bool = false,
        _ attack: (inout SplitMix64, Ledger) async throws -> Void, afterwards: () -> Void = {}
    ) async throws {
        for round in 0..<rounds {
            var random = chance(self.attack, round)
            let eventIDs = (round % 2 == 1) != beginsWithIDs
            let ledger = Ledger()
            try await withTraffic(to: tally, seed: random.next(), eventIDs: eventIDs, ledger) {
                try await attack(&random, ledger)
            }
            afterwards()
            try await self.check(ledger, tally, round: round, faults: faults, exactly: eventIDs)
        }
    }

    /// The same for attacks that are one fault at a moment chosen by chance: traffic flows before it, and again after.
    mutating func strike(
        _ tally: TallyProcess, rounds: Int, _ fault: () async throws -> Void
    ) async throws {
        try await self.attack(tally, rounds: rounds) { random, ledger in
            try await flow(ledger, tally)
            try await random.pause(milliseconds: 0...1_100)
            try await fault()
            try await flow(ledger, tally)
        }
    }
}
