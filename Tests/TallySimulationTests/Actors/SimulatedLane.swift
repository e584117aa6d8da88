import NIOCore
import TallyCore

@testable import TallyRedis

/// One event loop of an instance: gathers requests, and carries out what the real `LaneStateMachine` decides, as
/// `RedisLane` does.
final class SimulatedLane {
    private unowned let world: World
    private unowned let instance: SimulatedInstance
    private var state: LaneStateMachine
    private(set) var connection: Connection?
    private var isScriptReloaded = false
    /// The epoch that a hello told, while the rewriting of Redis' file is waited for.
    private var epochAfterRewrite: UInt64?
    /// Sent, and not settled.
    private(set) var underWay: [Request] = []
    private var gathered: [Request] = []

    /// Requests of one batch; a bound makes several batches of what has gathered.
    private static let largestBatch = 6

    init(world: World, instance: SimulatedInstance) {
        self.world = world
        self.instance = instance
        self.state = LaneStateMachine(makeLane: world.newLane)
    }

    var isConnected: Bool { self.state.isConnected }
    /// Nothing is waited for.
    var isQuiet: Bool { self.underWay.isEmpty && self.gathered.isEmpty }

    // MARK: Requests

    func take(_ request: Request) {
        self.gathered.append(request)
        // Not always at once: a tick gathers.
        if self.world.isHealing || self.world.chance.percent(60) { self.sendNext() }
    }

    func sendNext() {
        guard self.state.isReady, self.underWay.isEmpty, !self.gathered.isEmpty else { return }
        self.underWay = Array(self.gathered.prefix(Self.largestBatch))
        self.gathered.removeFirst(self.underWay.count)
        if self.world.broken == .answeredBeforeApplied { self.answer(self.underWay, .counted) }
        self.perform(self.state.submit(now: self.world.deadline))
    }

    /// 504 after 5 s; what becomes of the batch is settled all the same.
    func giveUpWaiting() { self.answer(self.underWay, .unknown) }

    /// The instance ends: nobody gets an answer any more.
    func end() {
        self.answer(self.underWay + self.gathered, .unknown)
        self.underWay = []
        self.gathered = []
        self.dropConnection()
    }

    private func answer(_ requests: [Request], _ answer: Request.Answer) {
        for request in requests {
            guard case .waiting = request.answer else { continue }
            request.answer = answer
            self.world.note("  \(request.text) \(answer)")
        }
    }

    // MARK: Connection

    func connect() {
        guard self.connection == nil, self.world.redis.isUp else { return }
        let connection = Connection(generation: self.world.redis.generation)
        self.connection = connection
        self.isScriptReloaded = false
        self.state.greeting()
        connection.requests = [.loadScripts, .hello]
    }

    /// The connection breaks, or its end is noticed.
    func connectionLost() {
        guard self.connection != nil else { return }
        self.dropConnection()
        self.perform(self.state.connectionLost(now: self.world.deadline))
        // What was not sent goes elsewhere.
        if !self.state.isConnected {
            let requests = self.gathered
            self.gathered = []
            for request in requests { self.instance.spoolOrRefuse(request) }
        }
    }

    private func dropConnection() {
        guard let connection else { return }
        self.connection = nil
        self.epochAfterRewrite = nil
        guard connection.generation == self.world.redis.generation else { return }
        for request in connection.requests where self.world.chance.percent(50) { self.world.zombies.append(request) }
    }

    /// Redis gets the next request.
    func deliverRequest() {
        guard let connection, !connection.requests.isEmpty, connection.generation == self.world.redis.generation else {
            return
        }
        if let reply = self.world.execute(connection.requests.removeFirst()) { connection.replies.append(reply) }
    }

    /// The lane gets the next reply.
    func deliverReply() {
        guard let connection, !connection.replies.isEmpty else { return }
        switch connection.replies.removeFirst() {
        case .scriptsLoaded:
            guard self.isScriptReloaded else { return }
            self.isScriptReloaded = false
            self.perform(self.state.scriptsLoaded(now: self.world.deadline))
        case .epoch(let epoch, let isRewritten):
            if isRewritten || self.world.broken == .fileNotRewritten {
                self.perform(self.state.greeted(epoch: Epoch(epoch), now: self.world.deadline))
            } else {
                // Counts go to the spool until then.
                self.epochAfterRewrite = epoch
                connection.requests.append(.rewrite)
            }
        case .helloRefused: return self.connectionLost()
        case .rewritten(let isDone):
            if !isDone {
                connection.requests.append(.rewrite)
            } else if let epoch = self.epochAfterRewrite {
                self.epochAfterRewrite = nil
                self.perform(self.state.greeted(epoch: Epoch(epoch), now: self.world.deadline))
            }
        case .verdicts(let refused):
            let action = self.state.answered()
            guard action == .finish(.counted) else { return self.perform(action) }
            let batch = self.underWay
            self.underWay = []
            for (unit, request) in batch.enumerated() {
                self.answer([request], refused & 1 << UInt64(unit) == 0 ? .counted : .refused)
            }
        case .error(let message):
            self.world.note("  lane refused: \(message)")
            self.perform(self.state.refused(message))
        }
        self.sendNext()
    }

    private func perform(_ action: LaneStateMachine.Action) {
        switch action {
        case .none: break
        case .send(let lane, let number, let epoch):
            self.connection?.requests.append(.track(self.underWay, lane: lane, number: number, epoch: epoch.value))
        case .hello: self.connection?.requests.append(.hello)
        case .loadScripts:
            self.isScriptReloaded = true
            self.connection?.requests.append(.loadScripts)
        case .reconnect: self.connectionLost()
        case .finish(let outcome):
            let batch = self.underWay
            self.underWay = []
            switch outcome {
            case .counted: self.answer(batch, .counted)
            case .notCounted: self.answer(batch, .refused)
            case .unknown where self.world.broken == .sentAgainInNewEpoch: self.gathered = batch + self.gathered
            case .unknown: self.answer(batch, self.world.broken == .unknownTakenForRefused ? .refused : .unknown)
            }
        }
    }
}
