import TallyTestSupport

/// Chance of one round of an attack: follows from `Torture.seed` alone, whatever ran before.
func chance(_ attack: String, _ round: Int) -> SplitMix64 {
    // FNV-1a: Swift's own hashes differ from run to run.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in "\(attack) \(round)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return SplitMix64(seed: Torture.seed ^ hash)
}

extension SplitMix64 {
    /// A moment chosen by chance: not a wait for something.
    mutating func pause(milliseconds range: ClosedRange<Int>) async throws {
        try await Task.sleep(for: .milliseconds(Int.random(in: range, using: &self)))
    }
}
