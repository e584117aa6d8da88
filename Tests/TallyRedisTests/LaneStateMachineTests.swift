import NIOCore
import TallyCore
import Testing

@testable import TallyRedis

/// The rules by which a batch is sent, sent again, or given up.
@Suite struct LaneStateMachineTests {
    private static let first = Epoch(1)
    private static let second = Epoch(2)
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func connected(_ epoch: Epoch = first) -> LaneStateMachine {
        let lanes = Counter()
        var state = LaneStateMachine(makeLane: lanes.next)
        state.greeting()
        #expect(state.greeted(epoch: epoch, now: self.now) == .none)
        return state
    }

    private final class Counter {
        private var last: UInt64 = 0
        func next() -> UInt64 {
            self.last += 1
            return self.last
        }
    }

    @Test("batches get the numbers 1, 2, 3 of one lane, each after the answer to the one before")
    func numbers() {
        var state = self.connected()
        guard case .send(let lane, 1, Self.first) = state.submit(now: self.now) else {
            Issue.record("no first"); return
        }
        #expect(!state.isReady)
        #expect(state.answered() == .finish(.counted))
        #expect(state.submit(now: self.now) == .send(lane: lane, number: 2, epoch: Self.first))
    }

    @Test("an answer that was lost is asked for again under the same number")
    func lostAnswer() {
        var state = self.connected()
        let sent = state.submit(now: self.now)
        #expect(state.connectionLost(now: self.now) == .none)
        #expect(!state.isConnected)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: self.now) == sent)
        #expect(state.answered() == .finish(.counted))
    }

    @Test("after a change of epoch an unanswered batch is never sent again")
    func lostAnswerAndEpoch() {
        var state = self.connected()
        _ = state.submit(now: self.now)
        _ = state.connectionLost(now: self.now)
        state.greeting()
        #expect(state.greeted(epoch: Self.second, now: self.now) == .finish(.unknown))
        #expect(state.isReady)
        guard case .send(_, 1, Self.second) = state.submit(now: self.now) else {
            Issue.record("a new lane begins at 1"); return
        }
    }

    @Test("a batch that is refused as stale at its first sending goes out under the new epoch")
    func staleAtFirst() {
        var state = self.connected()
        _ = state.submit(now: self.now)
        #expect(state.refused("TALLYSTALE this epoch is over") == .hello)
        guard case .send(_, 1, Self.second) = state.greeted(epoch: Self.second, now: self.now) else {
            Issue.record("not sent"); return
        }
        #expect(state.answered() == .finish(.counted))
    }

    @Test("where Redis must wait for its file, what it has not counted is given up, and nothing more is sent")
    func mustWait() {
        var state = self.connected()
        _ = state.submit(now: self.now)
        #expect(state.refused("TALLYSTALE this epoch is over") == .hello)
        #expect(state.mustWait() == .finish(.notCounted))
        #expect(!state.isConnected && !state.isReady)
        #expect(state.greeted(epoch: Self.second, now: self.now) == .none)
        #expect(state.isReady)
    }

    @Test("a wait says nothing of a batch whose answer was lost")
    func mustWaitUncertain() {
        var state = self.connected()
        let sent = state.submit(now: self.now)
        _ = state.connectionLost(now: self.now)
        state.greeting()
        #expect(state.mustWait() == .none)
        #expect(state.greeted(epoch: Self.first, now: self.now) == sent)
    }

    @Test(
        "what was refused and not sent again is given up with the connection, not sent when its callers are gone",
        arguments: ["TALLYSTALE x", "TALLYGAP x", "NOSCRIPT x"])
    func unsentAndLost(_ message: String) {
        var state = self.connected()
        _ = state.submit(now: self.now)
        _ = state.refused(message)
        #expect(state.connectionLost(now: self.now) == .finish(.notCounted))
        state.greeting()
        #expect(state.greeted(epoch: Self.second, now: self.now + .minutes(10)) == .none)
    }

    @Test(
        "where the connection leads to a replica, nothing follows the batch that has found out",
        arguments: ["READONLY You can't write against a read only replica.", "MASTERDOWN Link with MASTER is down"])
    func replica(_ message: String) {
        var state = self.connected()
        _ = state.submit(now: self.now)
        #expect(state.refused(message) == .reconnect)
        #expect(!state.isReady)
        #expect(state.connectionLost(now: self.now) == .finish(.notCounted))
    }

    @Test(
        "a batch that is refused as stale after its answer was lost is given up",
        arguments: ["TALLYSTALE x", "TALLYGAP x"])
    func staleLater(_ message: String) {
        var state = self.connected()
        _ = state.submit(now: self.now)
        _ = state.connectionLost(now: self.now)
        state.greeting()
        _ = state.greeted(epoch: Self.first, now: self.now)
        #expect(state.refused(message) == .finish(.unknown))
    }

    @Test("an error at the first sending means not counted, and the number is used for the next batch")
    func errorAtFirst() {
        var state = self.connected()
        let sent = state.submit(now: self.now)
        #expect(state.refused("OOM command not allowed") == .finish(.notCounted))
        #expect(state.submit(now: self.now) == sent)
    }

    @Test("an error after an answer was lost says nothing of the first sending: it is asked again")
    func errorLater() {
        var state = self.connected()
        let sent = state.submit(now: self.now)
        _ = state.connectionLost(now: self.now)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: self.now) == sent)
        #expect(state.refused("OOM command not allowed") == .reconnect)
        #expect(state.connectionLost(now: self.now) == .none)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: self.now) == sent)
    }

    @Test("forgotten scripts are loaded again, and the batch is sent under its number")
    func noScript() {
        var state = self.connected()
        let sent = state.submit(now: self.now)
        #expect(state.refused("NOSCRIPT No matching script") == .loadScripts)
        #expect(state.scriptsLoaded(now: self.now) == sent)
    }

    @Test("after an hour without an answer a batch is given up, and the lane with it")
    func expiry() {
        var state = self.connected()
        _ = state.submit(now: self.now)
        _ = state.connectionLost(now: self.now)
        let late = self.now + .hours(1) + .seconds(1)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: late) == .finish(.unknown))
        guard case .send(let lane, 1, _) = state.submit(now: late) else { Issue.record("no new lane"); return }
        #expect(lane != 1)
    }

    @Test("a batch that must not be sent again for long is given up sooner, and again only that one")
    func shorterRetry() {
        var state = self.connected()
        let sent = state.submit(now: self.now, retryWithin: .minutes(5))
        _ = state.connectionLost(now: self.now)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: self.now + .minutes(5)) == sent)
        _ = state.connectionLost(now: self.now + .minutes(5))
        let late = self.now + .minutes(5) + .seconds(1)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: late) == .finish(.unknown))
        let next = state.submit(now: late)
        _ = state.connectionLost(now: late)
        state.greeting()
        #expect(state.greeted(epoch: Self.first, now: late + .minutes(59)) == next)
    }

    @Test("closing says of a batch on its way that nobody knows")
    func closing() {
        var state = self.connected()
        _ = state.submit(now: self.now)
        #expect(state.close() == .finish(.unknown))
    }
}
