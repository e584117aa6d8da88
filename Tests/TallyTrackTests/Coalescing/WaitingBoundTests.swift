import NIOCore
import TallyTestSupport
import Testing

@testable import TallyTrack

@Suite("How many may wait")
struct WaitingBoundTests {
    /// A buffer that is given as many entries as may wait, a batch of at most 500 at a time.
    private struct Model {
        var bound = WaitingBound()
        let base: Double
        let perEntry: Double
        var largestWaiting = 0

        /// - Returns: the time that an entry waits, in milliseconds: the batch before it and its own.
        mutating func run(batches: Int, offered: Double, jitter: Double = 0) -> Double {
            var random = SplitMix64(seed: 1)
            var waiting = 1
            var underWay = 1
            var before = 0.0
            var longest = 0.0
            for _ in 0..<batches {
                let takes =
                    self.base + self.perEntry * Double(underWay) + jitter * Double.random(in: 0...1, using: &random)
                self.bound.batchAnswered(entries: underWay, roundTrip: .microseconds(Int64(takes * 1000)))
                longest = max(takes + before, longest)
                before = takes
                waiting -= underWay
                let arrived = Int(offered * takes / 1000)
                for _ in 0..<arrived where self.bound.admits(waiting: waiting + underWay) { waiting += 1 }
                self.largestWaiting = max(self.largestWaiting, waiting)
                underWay = min(max(waiting, 1), 500)
                waiting = max(waiting, underWay)
            }
            return longest
        }
    }

    @Test("a buffer that is quick or far away refuses nothing", arguments: [0.2, 5.0, 40.0])
    func latency(base: Double) {
        var model = Model(base: base, perEntry: 0.001)
        _ = model.run(batches: 2_000, offered: 10_000, jitter: base / 2)
        #expect(model.bound.admits(waiting: 400))
    }

    @Test("a buffer that takes its time for every entry has a short queue, at any load", arguments: [2.0, 5.0, 10.0])
    func slow(times: Double) {
        var model = Model(base: 1, perEntry: 0.5)
        _ = model.run(batches: 300, offered: 2_000 * times)
        let waits = model.run(batches: 300, offered: 2_000 * times)
        #expect(waits < 200)
        // It is kept busy all the same.
        #expect(model.bound.admits(waiting: 100))
        #expect(!model.bound.admits(waiting: 500))
    }

    @Test("one pause is no slowness: a moment later as many may wait as before")
    func pause() {
        var bound = WaitingBound()
        for _ in 0..<100 { bound.batchAnswered(entries: 200, roundTrip: .milliseconds(2)) }
        bound.batchAnswered(entries: 400, roundTrip: .seconds(4))
        for _ in 0..<40 { bound.batchAnswered(entries: 200, roundTrip: .milliseconds(2)) }
        #expect(bound.admits(waiting: 10_000))
    }

    @Test("while the buffer is silent for long, no more than a few may wait")
    func silence() {
        var bound = WaitingBound()
        bound.batchAnswered(entries: 10, roundTrip: .milliseconds(1))
        bound.look(silence: .milliseconds(1_999))
        #expect(bound.admits(waiting: 10_000))
        bound.look(silence: .seconds(2))
        #expect(!bound.admits(waiting: 64))
        #expect(bound.admits(waiting: 63))
        bound.batchAnswered(entries: 10, roundTrip: .milliseconds(1))
        #expect(bound.admits(waiting: 10_000))
    }

    @Test("what was learned is forgotten")
    func forgets() {
        var bound = WaitingBound()
        bound.batchAnswered(entries: 1, roundTrip: .milliseconds(1))
        for _ in 0..<10 { bound.batchAnswered(entries: 100, roundTrip: .milliseconds(100)) }
        #expect(!bound.admits(waiting: 200))
        for _ in 0..<(4 * 120) { bound.look(silence: nil) }
        #expect(bound.admits(waiting: 200))
    }
}
