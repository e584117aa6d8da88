import Testing

@testable import TallyTrack

@Suite("What a connection waits for")
struct ConnectionWatchTests {
    let limits = ConnectionWatch.Limits(idle: 300, request: 40, drain: 8)

    private func verdict(
        _ watch: ConnectionWatch, at now: UInt32, owes: Bool = false, isRouting: Bool = false
    ) -> ConnectionWatch.Verdict {
        watch.verdict(now: now, limits: self.limits, owesAnswer: owes, isRouting: isRouting)
    }

    @Test("without a request it is idle after the idle time, counted from the last answer")
    func idle() {
        var watch = ConnectionWatch(now: 1)
        #expect(self.verdict(watch, at: 300) == .fine)
        #expect(self.verdict(watch, at: 301) == .idle)
        watch.bytesCame(now: 250)
        watch.requestEnded()
        watch.answered(now: 260)
        #expect(self.verdict(watch, at: 559) == .fine)
        #expect(self.verdict(watch, at: 560) == .idle)
    }

    @Test("a request that waits for the buffer or the router is not idle, and not late")
    func waiting() {
        var watch = ConnectionWatch(now: 1)
        watch.bytesCame(now: 2)
        watch.requestEnded()
        #expect(self.verdict(watch, at: 10_000, owes: true) == .fine)
        #expect(self.verdict(watch, at: 10_000, isRouting: true) == .fine)
    }

    @Test("a request's time runs from its first byte, however many follow")
    func late() {
        var watch = ConnectionWatch(now: 1)
        for now in UInt32(5)..<45 { watch.bytesCame(now: now) }
        #expect(self.verdict(watch, at: 44) == .fine)
        #expect(self.verdict(watch, at: 45) == .requestLate)
        // The router does not wait for it for ever either.
        #expect(self.verdict(watch, at: 45, isRouting: true) == .requestLate)
    }

    @Test("a request that could not be read, since an answer was due first, has its time from that answer")
    func pipelined() {
        var watch = ConnectionWatch(now: 1)
        watch.bytesCame(now: 5)
        #expect(self.verdict(watch, at: 100, owes: true) == .fine)
        watch.answered(now: 100)
        #expect(self.verdict(watch, at: 139) == .fine)
        #expect(self.verdict(watch, at: 140) == .requestLate)
    }

    @Test("a caller who does not read is closed, even while an answer is due")
    func unread() {
        var watch = ConnectionWatch(now: 1)
        watch.writabilityChanged(to: false, now: 10)
        #expect(self.verdict(watch, at: 49, owes: true) == .fine)
        #expect(self.verdict(watch, at: 50, owes: true) == .unread)
        watch.writabilityChanged(to: true, now: 49)
        #expect(self.verdict(watch, at: 50, owes: true) == .fine)
    }

    @Test("after the last answer the caller has a moment to read it")
    func drained() {
        var watch = ConnectionWatch(now: 1)
        watch.bytesCame(now: 2)
        watch.closes(now: 20)
        #expect(self.verdict(watch, at: 27) == .fine)
        #expect(self.verdict(watch, at: 28) == .drained)
    }
}
