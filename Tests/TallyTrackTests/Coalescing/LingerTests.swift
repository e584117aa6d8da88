import NIOCore
import Testing

@testable import TallyTrack

@Suite struct LingerTests {
    private let now = NIODeadline.uptimeNanoseconds(100_000_000_000)

    @Test("the first batch goes at once, and so does that of a caller who is alone")
    func alone() {
        var linger = Linger()
        #expect(linger.keepsBack(1, now: self.now) == nil)
        linger.batchAnswered(to: 1, gathered: 0, roundTrip: .zero, now: self.now)
        #expect(linger.keepsBack(1, now: self.now) == nil)
    }

    @Test("a batch waits for nine tenths of those who were there, and no longer than it may")
    func waiting() {
        var linger = Linger()
        linger.batchAnswered(to: 32, gathered: 30, roundTrip: .microseconds(100), now: self.now)
        let end = self.now + Linger.shortest
        #expect(linger.keepsBack(30, now: self.now) == end)
        #expect(linger.keepsBack(55, now: self.now + .microseconds(100)) == end)
        #expect(linger.keepsBack(56, now: self.now) == nil)
        #expect(linger.keepsBack(30, now: end) == nil)
    }

    @Test("callers who wait for a slow buffer's answers are waited for, batch after batch")
    func group() {
        var linger = Linger()
        var now = self.now
        for _ in 0..<100 {
            linger.batchAnswered(to: 58, gathered: 6, roundTrip: .microseconds(400), now: now)
            let end = now + .microseconds(1_500)
            #expect(linger.keepsBack(57, now: now) == end)
            #expect(linger.keepsBack(57, now: end) == nil)
            #expect(linger.keepsBack(58, now: now) == nil)
            now = now + .milliseconds(1)
        }
        linger.batchAnswered(to: 58, gathered: 9, roundTrip: .microseconds(250), now: now)
        #expect(linger.keepsBack(60, now: now) == now + .milliseconds(1))
    }

    /// Two groups that follow each other: a try brings them together.
    @Test("of two groups of callers one try makes a single one")
    func twoGroups() {
        var linger = Linger()
        var now = self.now
        linger.batchAnswered(to: 32, gathered: 32, roundTrip: .microseconds(400), now: now)
        #expect(linger.keepsBack(32, now: now) != nil)
        for _ in 0..<100 {
            now = now + .milliseconds(1)
            linger.batchAnswered(to: 58, gathered: 6, roundTrip: .microseconds(400), now: now)
            #expect(linger.keepsBack(57, now: now) != nil)
        }
    }

    @Test(
        "those who come whenever they like are kept back for rare tries only",
        arguments: [
            // Too few at a time; some are missing each time; as many come meanwhile.
            (answered: 3, gathered: 0, roundTrip: 400), (answered: 20, gathered: 3, roundTrip: 400),
            (answered: 20, gathered: 20, roundTrip: 5_000),
        ])
    func noGroup(_ one: (answered: Int, gathered: Int, roundTrip: Int)) {
        var linger = Linger()
        var triedAt: [NIODeadline] = []
        linger.batchAnswered(to: 1, gathered: 40, roundTrip: .microseconds(400), now: self.now - .seconds(1))
        // Two seconds, a batch every millisecond.
        for tick in 0..<2_000 {
            let now = self.now + .milliseconds(Int64(tick))
            linger.batchAnswered(
                to: one.answered, gathered: one.gathered, roundTrip: .microseconds(Int64(one.roundTrip)), now: now)
            if linger.keepsBack(1, now: now) != nil { triedAt.append(now) }
        }
        let pauses = zip(triedAt, triedAt.dropFirst()).map { ($1 - $0).nanoseconds / 1_000_000 }
        #expect(pauses == [2, 4, 8, 16, 32, 64, 128, 250, 250, 250, 250, 250, 250])
    }

    @Test("that more come than were expected makes no group of them where many came while the batch was away")
    func manyMeanwhile() {
        var linger = Linger()
        linger.batchAnswered(to: 3, gathered: 17, roundTrip: .microseconds(400), now: self.now)
        linger.batchAnswered(to: 64, gathered: 11, roundTrip: .microseconds(400), now: self.now)
        #expect(linger.keepsBack(11, now: self.now) == nil)
    }

    @Test("a group that does not come back is tried again, soon at first")
    func groupLost() {
        var linger = Linger()
        for second in -20 ..< -1 {
            linger.batchAnswered(
                to: 20, gathered: 20, roundTrip: .microseconds(400), now: self.now + .seconds(Int64(second)))
        }
        // One too few: a try, at once, since the last was long ago and came to something.
        var now = self.now
        linger.batchAnswered(to: 64, gathered: 0, roundTrip: .microseconds(400), now: now)
        linger.batchAnswered(to: 57, gathered: 1, roundTrip: .microseconds(400), now: now)
        #expect(linger.keepsBack(50, now: now) != nil)
        linger.batchAnswered(to: 50, gathered: 1, roundTrip: .microseconds(400), now: now)
        #expect(linger.keepsBack(40, now: now) == nil)
        now = now + .milliseconds(1)
        linger.batchAnswered(to: 45, gathered: 1, roundTrip: .microseconds(400), now: now)
        #expect(linger.keepsBack(40, now: now) != nil)
    }

    @Test("a timer that finds nothing to do puts off the next one, within bounds; one that was needed does not")
    func slack() {
        var linger = Linger()
        #expect(linger.timer(for: self.now) == self.now)
        linger.timerLooked(wasNeeded: false)
        linger.timerLooked(wasNeeded: false)
        #expect(linger.timer(for: self.now) == self.now + .microseconds(100))
        for _ in 0..<1000 { linger.timerLooked(wasNeeded: false) }
        #expect(linger.timer(for: self.now) == self.now + .milliseconds(2))
        linger.timerLooked(wasNeeded: true)
        #expect(linger.timer(for: self.now) == self.now)
    }
}
