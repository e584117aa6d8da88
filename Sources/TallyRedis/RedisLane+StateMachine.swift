import NIOCore
import TallyCore

/// What a lane does next, decided without I/O.
///
/// A lane has one batch under way at a time. That is enough: while Redis works, the next batch grows, so its cost per
/// count falls as the load rises; and Redis has to remember the verdicts of one number only, to repeat them for a
/// batch whose answer was lost.
///
/// The rules, from the order in which a batch can go wrong:
/// - its first sending is answered with an error: it was not counted, since a script is checked before it writes;
/// - it waits to be sent again after that, and the wait turns out to be a long one: not counted, and its callers are told;
/// - its answer is lost: it is sent again under the same number and epoch, and Redis counts it once;
/// - its answer is lost and the epoch has changed meanwhile: nobody can say, so it is never sent again.
struct LaneStateMachine {
    enum Action: Equatable {
        case none
        /// Write the batch under way, under this lane, number and epoch.
        case send(lane: UInt64, number: Int64, epoch: Epoch)
        /// Say hello again on the same connection.
        case hello
        /// Load the scripts again on the same connection, then call `scriptsLoaded`.
        case loadScripts
        /// Drop the connection; `connectionLost` follows.
        case reconnect
        /// The batch under way is done.
        case finish(Outcome)
    }

    enum Outcome: Equatable {
        case counted
        case notCounted
        case unknown
    }

    private enum Connection: Equatable {
        case lost
        case greeting
        case ready
    }

    private struct UnderWay {
        let number: Int64
        let lane: UInt64
        let epoch: Epoch
        let since: NIODeadline
        /// For how long it is sent again.
        let retryWithin: TimeAmount
        /// Whether an earlier sending may have been carried out: its answer was lost.
        var isUncertain = false
        /// Whether it has been written on a connection and not been answered.
        var isSent = false
    }

    /// After this long an unanswered batch is not sent again (docs/architecture.md). A lane's key lives for 24 hours, so
    /// this is far within the time in which Redis still knows the number.
    static let longestRetry: TimeAmount = .hours(1)

    private var connection = Connection.lost
    private var lane: UInt64
    private var lastNumber: Int64 = 0
    private var epoch: Epoch?
    private var underWay: UnderWay?
    private let makeLane: () -> UInt64

    /// - Parameter makeLane: gives a new lane's random ID.
    init(makeLane: @escaping () -> UInt64) {
        self.makeLane = makeLane
        self.lane = makeLane()
    }

    var isConnected: Bool { self.connection == .ready }
    var isReady: Bool { self.connection == .ready && self.underWay == nil }
    var hasBatchUnderWay: Bool { self.underWay != nil }

    /// A batch is handed over. Only while `isReady`.
    /// - Parameter retryWithin: where it must not be sent again for as long as others.
    mutating func submit(now: NIODeadline, retryWithin: TimeAmount? = nil) -> Action {
        precondition(self.isReady, "a lane takes a batch only when it is ready")
        guard let epoch = self.epoch else { preconditionFailure("a lane that is ready knows its epoch") }
        self.underWay = UnderWay(
            number: self.lastNumber + 1, lane: self.lane, epoch: epoch, since: now,
            retryWithin: min(retryWithin ?? Self.longestRetry, Self.longestRetry), isSent: true)
        return .send(lane: self.lane, number: self.lastNumber + 1, epoch: epoch)
    }

    /// A connection stands, and hello is being said on it.
    mutating func greeting() { self.connection = .greeting }

    /// Redis answered hello with its epoch.
    mutating func greeted(epoch: Epoch, now: NIODeadline) -> Action {
        self.connection = .ready
        if self.epoch != epoch {
            self.epoch = epoch
            self.startLane()
        }
        return self.resume(now: now)
    }

    /// The scripts are loaded again after Redis had forgotten them.
    mutating func scriptsLoaded(now: NIODeadline) -> Action { self.resume(now: now) }

    /// Redis is there, but must not count until it has written its append-only file anew.
    mutating func mustWait() -> Action {
        self.connection = .greeting
        return self.giveUpUnsent()
    }

    /// The connection is gone.
    mutating func connectionLost(now: NIODeadline) -> Action {
        self.connection = .lost
        guard var batch = self.underWay else { return .none }
        if batch.isSent {
            batch.isSent = false
            batch.isUncertain = true
            self.underWay = batch
        }
        if case .finish(let outcome) = self.giveUpUnsent() { return .finish(outcome) }
        return self.expire(now: now)
    }

    /// Redis answered the batch with its verdicts.
    mutating func answered() -> Action {
        guard let batch = self.underWay else { return .reconnect }
        self.underWay = nil
        self.lastNumber = batch.number
        return .finish(.counted)
    }

    /// Redis answered the batch with an error.
    mutating func refused(_ message: String) -> Action {
        guard var batch = self.underWay else { return .reconnect }
        batch.isSent = false
        self.underWay = batch
        if message.hasPrefix("NOSCRIPT") { return .loadScripts }
        if message.hasPrefix("TALLYSTALE") || message.hasPrefix("TALLYGAP") {
            self.startLane()
            if batch.isUncertain {
                self.underWay = nil
                return .finish(.unknown)
            }
            // Not counted, for certain: greeted() gives it a number in the new lane.
            return .hello
        }
        if batch.isUncertain {
            // The error says nothing about the earlier sending. Ask again later, on a new connection.
            return .reconnect
        }
        // A replica that took over, or the other way round: the name may lead somewhere else by now. Nothing more must go
        // out on this connection, so the batch is given up when it is gone.
        if message.hasPrefix("READONLY") || message.hasPrefix("MASTERDOWN") { return .reconnect }
        self.underWay = nil
        return .finish(.notCounted)
    }

    /// The lane is given up.
    mutating func close() -> Action {
        self.connection = .lost
        guard let batch = self.underWay else { return .none }
        self.underWay = nil
        return .finish(batch.isSent || batch.isUncertain ? .unknown : .notCounted)
    }

    private mutating func startLane() {
        self.lane = self.makeLane()
        self.lastNumber = 0
    }

    /// A batch that Redis has not counted for certain does not wait for Redis to be back: nobody would by then, and its
    /// callers may have sent it again.
    private mutating func giveUpUnsent() -> Action {
        guard let batch = self.underWay, !batch.isSent, !batch.isUncertain else { return .none }
        self.underWay = nil
        return .finish(.notCounted)
    }

    private mutating func expire(now: NIODeadline) -> Action {
        guard let batch = self.underWay, batch.isUncertain, now - batch.since > batch.retryWithin else { return .none }
        self.underWay = nil
        self.startLane()
        return .finish(.unknown)
    }

    /// Sends what is under way again, or for the first time in a new lane.
    private mutating func resume(now: NIODeadline) -> Action {
        guard var batch = self.underWay, let epoch = self.epoch else { return .none }
        if batch.isUncertain {
            guard batch.epoch == epoch, batch.lane == self.lane else {
                self.underWay = nil
                return .finish(.unknown)
            }
            if case .finish(let outcome) = self.expire(now: now) { return .finish(outcome) }
            batch.isSent = true
            self.underWay = batch
            return .send(lane: batch.lane, number: batch.number, epoch: epoch)
        }
        batch = UnderWay(
            number: self.lastNumber + 1, lane: self.lane, epoch: epoch, since: batch.since,
            retryWithin: batch.retryWithin, isSent: true)
        self.underWay = batch
        return .send(lane: batch.lane, number: batch.number, epoch: epoch)
    }
}
