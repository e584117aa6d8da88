import NIOCore

/// Decides whether the buffer is so busy that one more request is better refused than kept waiting.
///
/// What a batch takes is seen as a time that every batch takes, and a time for each of its entries on top. Only the
/// second is a queue: as many entries may wait as the buffer works off in `longest`. A buffer that is merely far away
/// takes long for a batch and nothing for its entries, so nothing is refused; one that is slow is kept busy, with a
/// queue that is short. At ten times the load, that is what the accepted ones wait for.
///
/// A pause of the buffer (a fork, a disk that syncs; Redis itself waits up to 2 s for one) is waited through, up to
/// `pause`.
struct WaitingBound {
    /// How long the entries that wait may take.
    static let longest: TimeAmount = .milliseconds(100)
    /// How long the buffer may be silent before requests are refused.
    static let pause: TimeAmount = .seconds(2)
    /// The longest time that is believed of a batch, so that one pause does not look like slowness.
    static let longestRoundTrip: TimeAmount = .milliseconds(500)
    /// This many entries may always wait: with fewer there is nothing to learn from.
    static let alwaysWaiting = 64
    /// A batch of at most this many entries says what every batch takes.
    static let smallBatch = 32

    /// Nanoseconds that a batch takes before its entries count; an average over small batches.
    private var base: Double?
    /// Sums over large batches, the older the less: what they took beyond `base`, and their entries.
    private var extra = 0.0
    private var entries = 0.0
    private var maximumWaiting = Int.max

    /// Whether more entries may wait, where so many do, sent or not.
    @inline(__always)
    func admits(waiting: Int) -> Bool { waiting < self.maximumWaiting }

    /// The buffer answered a batch.
    mutating func batchAnswered(entries: Int, roundTrip: TimeAmount) {
        let nanoseconds = Double(min(max(roundTrip, .zero), Self.longestRoundTrip).nanoseconds)
        guard let base = self.base, entries > Self.smallBatch else {
            let base = self.base ?? nanoseconds
            self.base = base + (nanoseconds - base) / 8
            return self.decide()
        }
        // Below zero too, where it went faster than usual: what goes up and down is not what entries cost.
        self.extra = self.extra * 0.75 + (nanoseconds - base)
        self.entries = self.entries * 0.75 + Double(entries)
        self.decide()
    }

    /// To be called four times a second: what was learned is forgotten within some ten seconds.
    /// - Parameter silence: how long the batch that is under way has been.
    mutating func look(silence: TimeAmount?) {
        self.extra *= 0.98
        if let silence, silence >= Self.pause {
            self.maximumWaiting = Self.alwaysWaiting
        } else {
            self.decide()
        }
    }

    private mutating func decide() {
        guard self.entries > 0, self.extra > 0 else {
            self.maximumWaiting = .max
            return
        }
        let waiting = Double(Self.longest.nanoseconds) * self.entries / self.extra
        self.maximumWaiting = waiting < 1_000_000 ? max(Int(waiting), Self.alwaysWaiting) : .max
    }
}
