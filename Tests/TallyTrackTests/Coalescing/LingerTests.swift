import NIOCore
import Testing

@testable import TallyTrack

@Suite struct LingerTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("the first batch goes at once, and so does that of a caller who is alone")
    func alone() {
        var linger = Linger()
        #expect(linger.keepsBack(1, now: self.now) == nil)
        linger.batchAnswered(to: 1, gathered: 0, roundTrip: .zero, now: self.now)
        #expect(linger.keepsBack(1, now: self.now) == nil)
    }

    @Test("a batch waits for as many as were there, and no longer than it may")
    func waiting() {
        var linger = Linger()
        linger.batchAnswered(to: 32, gathered: 30, roundTrip: .microseconds(100), now: self.now)
        let end = self.now + Linger.longest
        #expect(linger.keepsBack(30, now: self.now) == end)
        #expect(linger.keepsBack(61, now: self.now + .microseconds(100)) == end)
        #expect(linger.keepsBack(62, now: self.now) == nil)
        #expect(linger.keepsBack(30, now: end) == nil)
    }

    @Test("for a buffer that takes long no batch is kept back")
    func slowBuffer() {
        var linger = Linger()
        linger.batchAnswered(to: 32, gathered: 30, roundTrip: .milliseconds(1), now: self.now)
        #expect(linger.keepsBack(30, now: self.now) == nil)
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
