import Logging
import NIOCore
import TallyCore

/// Everything of /track that belongs to one event loop: the parser, what has been gathered, and the lane to the buffer,
/// with that to the spool beside it.
///
/// The requests of one tick of the loop become one batch. While the lane is busy, the next batch gathers; so the cost
/// of a batch to the buffer is shared by more requests the higher the load.
///
/// While the buffer cannot be reached, what is gathered goes to the spool. What was sent to the buffer and not answered
/// stays with its lane: only the buffer can say what became of it.
///
/// Not Sendable: it lives on its loop.
final class TrackLoop {
    /// What was sent to the buffer is answered within this time (CONTRACT: 504 after 5 s), and what was gathered is sent
    /// within this time; so who comes while a batch is away that is answered just in time, and is sent then himself, may
    /// wait for twice as long.
    static let answerWithin: TimeAmount = .seconds(5)
    /// Requests that may wait on one loop, sent or not. Each is some 100 bytes here and its connection's memory there:
    /// 16,384 of them with batches of at most 1,500 names of 259 bytes stay below 32 MB. Past it: 503.
    static let maximumWaiting = 16_384
    /// Bytes of names that may wait on one loop unsent. Past it: 503.
    static let maximumBytesWaiting = 8 << 20

    let eventLoop: any EventLoop
    let logger: Logger
    var parser = TrackParser()
    let responses = ResponseCache()
    /// Whether each tracked request is logged.
    let logsEachRequest: Bool
    /// Nil for none.
    let accessLog: AccessLog?

    private var limitedLog: LimitedLog
    private let lane: LaneInUse
    /// Nil where there is none: counts are refused then while the buffer cannot be reached.
    private let spool: LaneInUse?
    private var isSpooling = false
    private let traffic: TrafficGauge
    private let meter: TrackMeter
    private let gathered = GatheredQueue()
    /// Requests that wait for their answer, sent or not.
    private var waitingCount = 0
    private var isTickScheduled = false
    private var tickBegan = NIODeadline.now()
    private var linger = Linger()
    private var isTimerScheduled = false
    private var clock: RepeatedTask?

    init(
        eventLoop: any EventLoop, lane: any BufferLane, spool: (any BufferLane)?, traffic: TrafficGauge,
        meter: TrackMeter, accessLog: AccessLog?, logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.lane = LaneInUse(lane)
        self.spool = spool.map { LaneInUse($0) }
        self.traffic = traffic
        self.meter = meter
        self.accessLog = accessLog
        self.logger = logger
        self.logsEachRequest = logger.logLevel <= .debug
        self.limitedLog = LimitedLog(logger: logger)
        lane.onStateChange = { [unowned self] in self.laneChanged() }
        spool?.onStateChange = { [unowned self] in self.laneChanged() }
        let bound = NIOLoopBound(Unowned(self), eventLoop: eventLoop)
        self.clock = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(250)) { _ in
            bound.value.object.look()
        }
    }

    /// Whether the buffer itself can be reached.
    var isConnected: Bool { self.lane.lane.isConnected }

    /// The way for what has not been sent yet; nil while there is none.
    private var wayIn: LaneInUse? {
        if self.lane.lane.isConnected { return self.lane }
        guard let spool = self.spool, spool.lane.isConnected else { return nil }
        return spool
    }

    /// - Parameter requestID: what the request is called, if anything.
    func logRefusal(_ problem: Problem, address: @autoclosure () -> String, requestID: String?) {
        self.meter.refused(problem.reason)
        self.limitedLog.refused(problem, address: address, requestID: requestID)
    }

    enum Admission {
        case waiting
        case overloaded
        case bufferAway
    }

    /// Takes what the parser holds. The waiter gets its answer when the buffer has it durably.
    /// - Parameter parser: that of this loop, given so that Swift looks once, not at every use, whether another access
    ///   to it is under way.
    @inline(__always)
    func submit(
        _ shape: TrackShape, of parser: borrowing TrackParser, from connection: TrackHandler, request: Int
    ) -> Admission {
        guard let wayIn = self.wayIn else { return .bufferAway }
        // Whether an event ID was seen before only the buffer can say.
        if parser.hasEventIDs, wayIn === self.spool { return .bufferAway }
        guard self.waitingCount < Self.maximumWaiting, self.gathered.bytes < Self.maximumBytesWaiting,
            wayIn.bound.admits(waiting: self.gathered.entries + wayIn.entries)
        else { return .overloaded }
        self.beginTick()
        self.gathered.add(shape, of: parser, from: connection, request: request, at: self.tickBegan)
        self.waitingCount += 1
        return .waiting
    }

    /// Gives up: what is unsent gets 503, what is unanswered 504.
    func close() {
        self.clock?.cancel()
        self.failGathered("tally is stopping")
        self.lane.lane.close()
        self.spool?.lane.close()
    }

    // MARK: Gathering

    @inline(__always)
    private func beginTick() {
        guard !self.isTickScheduled else { return }
        self.isTickScheduled = true
        self.tickBegan = .now()
        // Runs when the loop has read from every socket that was ready.
        self.eventLoop.assumeIsolated().execute { self.endTick() }
    }

    private func endTick() {
        self.isTickScheduled = false
        self.sendNext()
    }

    /// Sends the next batch, if it is time. Returns whether it was.
    @discardableResult
    private func sendNext() -> Bool {
        guard let lane = self.wayIn, lane.isFree, !self.gathered.isEmpty else { return false }
        // A full batch waits for nobody.
        if !self.gathered.hasFull, let end = self.linger.keepsBack(self.gathered.firstWaiters, now: .now()) {
            self.sendNext(at: self.linger.timer(for: end))
            return false
        }
        guard let batch = self.gathered.popFirst() else { return false }
        if lane === self.spool, batch.counts.hasIDs {
            // Gathered while the buffer was there.
            self.fail(batch, "the buffer cannot be reached")
            return self.sendNext()
        }
        lane.batch = batch
        lane.sentAt = .now()
        self.gathered.since = lane.sentAt
        self.note(isSpooling: lane === self.spool)
        self.meter.sent(batch)
        lane.lane.send(batch.counts) { [unowned self, unowned lane] in self.settle(lane, $0) }
        return true
    }

    private func note(isSpooling: Bool) {
        guard isSpooling != self.isSpooling else { return }
        self.isSpooling = isSpooling
        if isSpooling {
            self.logger.log(.spoolInUse, "counts go to the spool of this instance until the buffer is back")
        } else {
            self.logger.log(.spoolLeft, "counts go to the buffer again")
        }
    }

    private func sendNext(at deadline: NIODeadline) {
        guard !self.isTimerScheduled else { return }
        self.isTimerScheduled = true
        self.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.isTimerScheduled = false
            // The end of the tick that is under way sends it, if it is time.
            self.linger.timerLooked(wasNeeded: !self.isTickScheduled && self.sendNext())
        }
    }

    // MARK: Answering

    private func settle(_ lane: LaneInUse, _ outcome: LaneOutcome) {
        guard let batch = lane.batch else { preconditionFailure("a lane answered a batch that was not sent") }
        lane.batch = nil
        FailPoint.reach(.beforeAnswer)
        self.traffic.countBatch()
        let now = NIODeadline.now()
        let roundTrip = now - lane.sentAt
        if case .counted = outcome {
            lane.bound.batchAnswered(entries: batch.counts.entries.count, roundTrip: roundTrip)
        }
        self.linger.batchAnswered(
            to: batch.waiters.count, gathered: self.gathered.firstWaiters, roundTrip: roundTrip, now: now)
        switch outcome {
        case .counted(let verdicts) where verdicts.isAllCounted:
            self.meter.counted(batch)
            self.answerAll(of: batch) { waiter in
                if let accepted = waiter.accepted { .countedAll(accepted) } else { .counted }
            }
        case .counted(let verdicts):
            let units = UnitVerdicts(verdicts, of: batch.counts)
            self.meter.counted(units)
            self.answerAll(of: batch) { waiter in
                let response = units.response(to: waiter)
                self.meter.answered(response)
                return response
            }
        case .notCounted(let error):
            self.limitedLog.failed(.batchNotCounted, "a batch was not counted", error)
            self.refuseAll(of: batch, .notCounted("the buffer did not take it"))
        case .unknown(let error):
            if !batch.waiters.isEmpty {
                self.limitedLog.failed(.batchUnknown, "a batch may have been counted or not", error)
            }
            self.refuseAll(of: batch, .unknown)
        }
        self.gathered.recycle(batch)
        // The next batch goes when the lane says that it is free (`laneChanged`).
    }

    private func answerAll(of batch: GatheredBatch, _ response: (Waiter) -> TrackResponse) {
        self.waitingCount -= batch.waiters.count
        self.meter.waited(batch, now: .now())
        for waiter in batch.waiters { waiter.connection.answer(waiter.request, response(waiter)) }
        batch.forgetWaiters()
    }

    private func refuseAll(of batch: GatheredBatch, _ problem: Problem) {
        self.meter.refused(problem.reason, requests: batch.waiters.count)
        self.answerAll(of: batch) { _ in .problem(problem) }
    }

    private func failGathered(_ reason: String) {
        while let batch = self.gathered.popFirst() { self.fail(batch, reason) }
    }

    /// Refuses what was gathered and not sent.
    private func fail(_ batch: GatheredBatch, _ reason: String) {
        self.refuseAll(of: batch, .notCounted(reason))
        self.gathered.recycle(batch)
    }

    private func laneChanged() {
        // What was never sent is not counted; its callers can try elsewhere, or again.
        guard self.wayIn != nil else { return self.failGathered("the buffer cannot be reached") }
        self.sendNext()
    }

    /// Four times a second: deadlines, and the date in the responses.
    private func look() {
        let now = NIODeadline.now()
        self.responses.refreshDate()
        self.limitedLog.summarise()
        for lane in [self.lane, self.spool] {
            guard let lane else { continue }
            lane.bound.look(silence: lane.batch == nil ? nil : now - lane.sentAt)
            guard let batch = lane.batch, !batch.waiters.isEmpty, now - lane.sentAt > Self.answerWithin else {
                continue
            }
            self.refuseAll(of: batch, .unknown)
        }
        if !self.gathered.isEmpty, now - self.gathered.since > Self.answerWithin {
            self.failGathered("the buffer did not answer in time")
        }
    }
}

/// A lane, and the batch that it was given and has not answered yet.
private final class LaneInUse {
    let lane: any BufferLane
    var batch: GatheredBatch?
    var sentAt = NIODeadline.now()
    /// How much may wait for it.
    var bound = WaitingBound()

    /// Entries that were given to it and not answered yet.
    var entries: Int { self.batch?.counts.entries.count ?? 0 }

    init(_ lane: any BufferLane) { self.lane = lane }

    var isFree: Bool { self.batch == nil && self.lane.isReady }
}

/// Holds a reference without keeping the object alive; for a task that the object itself cancels.
private struct Unowned<Object: AnyObject> {
    unowned let object: Object

    init(_ object: Object) { self.object = object }
}
