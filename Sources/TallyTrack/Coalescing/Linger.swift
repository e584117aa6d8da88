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
///
/// The end of `longest` is seen when a tick of the event loop ends; a timer is there for the case that no tick comes.
/// On a virtual machine a timer is dear (it cost some 30 µs of a processor, far more than a request), and where a loop
/// is busy hardly one in a hundred finds anything to do. So each that finds nothing makes the next one come a little
/// later, and one that was needed puts it back to where it was.
struct Linger {
    /// What this adds at most to the time of an answer on a loop that has something to do.
    static let longest: TimeAmount = .microseconds(300)
    /// What it adds on top where nothing else happens on a loop that was busy until then.
    static let longestSlack: TimeAmount = .milliseconds(2)
    /// By how much a timer that was not needed puts off the next one.
    static let slackStep: TimeAmount = .microseconds(50)

    /// A batch that took longer than this was answered by a buffer that takes long.
    static let shortRoundTrip: TimeAmount = .microseconds(250)

    private var answeredAt: NIODeadline?
    private var expected = 0
    private var slack = TimeAmount.zero

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

    /// When a timer is to look after a batch that is kept back until `end`.
    func timer(for end: NIODeadline) -> NIODeadline { end + self.slack }

    /// A timer looked.
    /// - Parameter wasNeeded: a batch had been kept back for long enough, and nothing else had happened.
    mutating func timerLooked(wasNeeded: Bool) {
        self.slack = wasNeeded ? .zero : min(self.slack + Self.slackStep, Self.longestSlack)
    }
}
