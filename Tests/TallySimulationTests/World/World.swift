import NIOCore
import TallyCore
import TallyTestSupport

/// One run: instances, flushers, Redis and MongoDB, and chance, which decides what happens next.
///
/// Nothing here knows a clock, a thread or a random number of its own, so a seed is a run.
final class World {
    private static let zombiesKept = 8

    let chance: Chance
    let profile: Profile
    let broken: Break?
    let redis: ModelRedis
    let mongo = ModelMongo()
    let executor = StepExecutor()
    let oracle = Oracle()
    private(set) var instances: [SimulatedInstance] = []
    private(set) var flushers: [SimulatedFlusher] = []
    /// Sent on connections that are gone; Redis may read them yet.
    var zombies: [RedisRequest] = []
    var redisLockHolder: Int?
    /// Faults are over; what was begun comes to its end.
    private(set) var isHealing = false
    private var step = 0
    private var seconds: Int64 = 1_000_000 * 3600
    private var lastEpoch: UInt64 = 0
    private var lastLane: UInt64 = 0
    private var digitsUsed = [Int](repeating: 0, count: Catalog.counters)
    private(set) var trace: [String]?

    /// - Parameter isTraced: keeps a line for everything that happens; a run is the same with and without.
    init(seed: UInt64, broken: Break? = nil, isTraced: Bool = false) {
        self.chance = Chance(seed: seed)
        var profile = Profile(self.chance)
        broken?.bias(&profile)
        self.profile = profile
        self.broken = broken
        self.trace = isTraced ? [] : nil
        self.redis = ModelRedis(
            isAlwaysSynced: profile.isAlwaysSynced, boundOnTests: profile.boundOnTests, broken: broken)
        for _ in 0..<profile.instances {
            let instance = SimulatedInstance(world: self)
            instance.start()
            self.instances.append(instance)
        }
        // Each instance flushes; and somebody calls `tally flush` elsewhere.
        self.flushers = (0...profile.instances).map { number in
            SimulatedFlusher(
                number: number, spool: number < profile.instances ? self.instances[number].spool : nil, world: self)
        }
    }

    /// Runs until everything has healed and was flushed.
    /// - Returns: what is wrong; empty where nothing is.
    func run() -> [String] {
        for step in 0..<self.profile.steps {
            self.step = step
            guard let index = self.chance.index(weights: self.profile.weights, sum: self.weightSum) else { break }
            self.happen(Event(rawValue: index)!)
            if step % 16 == 0 {
                let faults = self.oracle.audit(self)
                if !faults.isEmpty {
                    self.flushers.forEach { $0.kill() }
                    return faults
                }
            }
        }
        return self.heal()
    }

    private lazy var weightSum = self.profile.weights.reduce(0, +)

    var hour: Int64 { self.seconds / 3600 }
    var deadline: NIODeadline { .uptimeNanoseconds(UInt64(self.seconds) * 1_000_000_000) }

    /// With room behind each for its continuations.
    func newEpoch() -> UInt64 {
        self.lastEpoch += 1 << 32
        return self.lastEpoch
    }

    /// Whether a buffer has drawn it; else it continues one.
    func isDrawn(_ epoch: Epoch) -> Bool { epoch.value.isMultiple(of: 1 << 32) }

    func newLane() -> UInt64 {
        self.lastLane += 1
        return self.lastLane
    }

    func note(_ text: @autoclosure () -> String) {
        guard self.trace != nil else { return }
        self.trace!.append("\(self.step): \(text())")
    }

    // MARK: What happens

    private func happen(_ event: Event) {
        switch event {
        case .request: self.request()
        case .deliverRequest: self.someLane { !($0.connection?.requests.isEmpty ?? true) }?.deliverRequest()
        case .deliverReply: self.someLane { !($0.connection?.replies.isEmpty ?? true) }?.deliverReply()
        case .connect: self.someLane { $0.connection == nil }?.connect()
        case .sendGathered: self.someLane { _ in true }?.sendNext()
        case .startFlush: self.someFlusher { !$0.isActive && self.isRunning($0) }?.start()
        case .stepFlush: self.someFlusher { $0.isActive && $0.frozenUntil <= self.step }?.step()
        case .sync: self.redis.sync()
        case .startRedis: self.startRedis()
        case .startInstance:
            if let instance = self.some(self.instances, where: { !$0.isUp }) {
                self.note("an instance starts")
                instance.start()
            }
        case .breakConnection:
            if let lane = self.someLane({ $0.connection != nil }) {
                self.note("a connection breaks")
                lane.connectionLost()
            }
        case .timeOut: self.someLane { !$0.underWay.isEmpty }?.giveUpWaiting()
        case .deliverZombie: self.deliverZombie()
        case .freezeFlusher:
            if let flusher = self.someFlusher({ $0.isActive }) {
                self.note("flusher \(flusher.number) freezes")
                flusher.frozenUntil = self.step + 20 + self.chance.below(120)
            }
        case .killFlusher:
            if let flusher = self.someFlusher({ $0.isActive }) {
                self.note("flusher \(flusher.number) is killed")
                flusher.kill()
            }
        case .endInstance: self.endInstance()
        case .hour: self.seconds += [600, 1200, 3600][self.chance.below(3)]
        case .longPause: self.seconds += 7200
        case .copySpool:
            if let instance = self.some(self.instances, where: { _ in true }) {
                instance.spool.copy()
                self.note("a spool is copied")
            }
        case .restoreSpool: self.restoreSpool()
        default: self.happenToServers(event)
        }
    }

    private func happenToServers(_ event: Event) {
        switch event {
        case .crash:
            guard self.redis.isUp else { return }
            self.note("Redis crashes")
            self.crash()
        case .crashDuringCommand:
            guard self.redis.isUp else { return }
            if let lane = self.someLane({ $0.connection?.requests.isEmpty == false }), let connection = lane.connection,
                connection.generation == self.redis.generation
            {
                // Carried out, not synced, not answered.
                self.note("Redis crashes during a command")
                _ = self.perform(connection.requests.removeFirst())
            } else {
                self.note("Redis crashes during a seal")
                try? self.redis.seal()
            }
            self.crash()
        case .replicate: if self.redis.isUp { self.redis.replicate() }
        case .promote:
            self.note("the replica is promoted")
            self.forget { self.redis.promote() }
        case .copyRedis:
            if self.redis.isUp {
                self.note("Redis is copied")
                self.redis.copy()
            }
        case .restoreRedis:
            guard let index = self.copyToPutBack() else { return }
            self.note("Redis is restored from a copy in epoch \(self.redis.copies[index].epoch)")
            self.forget { self.redis.restore(copy: index) }
        case .resynchronise: self.resynchronise()
        case .loseReplica:
            self.note("Redis' last replica leaves")
            self.redis.loseReplica()
        case .forgetScripts: self.redis.forgetScripts()
        case .fill: if self.redis.isUp { self.redis.isFull.toggle() }
        case .failOver:
            self.note("MongoDB's primary changes")
            self.mongo.failOver(self.chance)
        case .replicateSome: self.mongo.commitSome(self.chance)
        case .mongoAway:
            self.note("MongoDB is away")
            self.mongo.isUp = false
        case .mongoBack: self.mongo.isUp = true
        case .silence: self.closeSilentEpoch()
        default: preconditionFailure("\(event) happens elsewhere")
        }
    }

    /// Some epoch is taken for silent and closed, however alive it is: that must be right at any time.
    private func closeSilentEpoch() {
        let epochs = self.mongo.primary.epochs.sorted { $0.value.ordinal < $1.value.ordinal }
        let mayBeClosed = { (entry: MongoData.EpochEntry) in
            !entry.isClosed && (entry.begun <= entry.lastNumber || self.broken == .silenceWhileBegun)
        }
        guard self.mongo.isUp, let found = self.some(epochs, where: { mayBeClosed($0.value) }) else { return }
        self.note("epoch \(found.key) is closed as silent")
        var entry = found.value
        entry.isClosed = true
        self.mongo.put(found.key, entry)
    }

    private func request() {
        guard let instance = self.some(self.instances, where: { $0.isUp }) else { return }
        var items: [Request.Item] = []
        for _ in 0...self.chance.below(2) {
            let counter = self.chance.below(Catalog.counters)
            guard self.digitsUsed[counter] < Catalog.digits else { continue }
            items.append(.init(counter: counter, digit: self.digitsUsed[counter]))
            self.digitsUsed[counter] += 1
        }
        guard !items.isEmpty else { return }
        let request = Request(number: self.oracle.requests.count, items: items)
        self.oracle.requests.append(request)
        instance.take(request)
    }

    /// Redis carries out what a lane sent.
    /// - Returns: its reply; nil where it is down.
    func execute(_ request: RedisRequest) -> RedisReply? {
        guard self.redis.isUp else { return nil }
        let reply = self.perform(request)
        self.redis.syncBeforeReplies()
        return reply
    }

    private func perform(_ request: RedisRequest) -> RedisReply {
        switch request {
        case .loadScripts:
            self.redis.loadScripts()
            return .scriptsLoaded
        case .hello:
            let reply = self.redis.hello(candidate: self.newEpoch())
            self.note("hello: \(reply)")
            switch reply {
            case .epoch(let epoch): return .epoch(epoch, isRewritten: self.redis.isRewritten)
            case .refused: return .helloRefused
            }
        case .rewrite:
            guard self.isHealing || self.chance.percent(70) else { return .rewritten(false) }
            self.note("the file is written anew")
            self.redis.rewrite()
            return .rewritten(true)
        case .track(let batch, let lane, let number, let epoch):
            let reply = self.redis.track(batch, lane: lane, number: number, epoch: epoch, hour: self.hour)
            self.note(
                "track lane \(lane) number \(number) epoch \(epoch): \(batch.map(\.text).joined(separator: ", ")): \(reply)"
            )
            switch reply {
            case .verdicts(let refused): return .verdicts(refused)
            case .error(let message): return .error(message)
            }
        }
    }

    private func deliverZombie() {
        guard !self.zombies.isEmpty else { return }
        self.note("a late request arrives")
        _ = self.execute(self.zombies.remove(at: self.chance.below(self.zombies.count)))
        if self.zombies.count > Self.zombiesKept { self.zombies.removeFirst() }
    }

    private func endInstance() {
        guard let number = self.some(Array(self.instances.indices), where: { self.instances[$0].isUp }) else { return }
        self.note("instance \(number) is killed")
        self.instances[number].end()
        self.flushers[number].kill()
    }

    private func restoreSpool() {
        guard let instance = self.some(self.instances, where: { !$0.isUp && !$0.spool.copies.isEmpty }),
            let index = self.some(Array(instance.spool.copies.indices), where: { _ in true })
        else { return }
        let copy = instance.spool.copies[index]
        self.note("a spool is restored from a copy in epoch \(copy.epoch)")
        let before = instance.spool.data.presence
        instance.spool.restore(copy: index)
        self.oracle.forget(before, keeping: copy.presence, self.mongo)
        self.remember(copy)
        self.oracle.isRestored = true
    }

    // MARK: Redis goes and comes

    private func crash() {
        let before = self.redis.data.presence
        self.redis.crash(self.chance, tearPercent: self.profile.tearPercent)
        self.zombies = []
        // With `always` nothing that was acknowledged may be lost.
        self.lostAtCrash = self.profile.isAlwaysSynced ? nil : before
        self.endConnections()
    }

    private var lostAtCrash: [UInt64]?

    private func startRedis() {
        guard !self.redis.isUp else { return }
        self.redis.start()
        self.note("Redis starts: epoch \(self.redis.data.epoch) sequence \(self.redis.data.sequence)")
        if let before = self.lostAtCrash {
            self.oracle.forget(before, keeping: self.redis.data.presence, self.mongo)
            self.lostAtCrash = nil
        }
    }

    /// Redis goes on with what it had earlier.
    private func forget(_ how: () -> Void) {
        let before = self.redis.data.presence
        how()
        self.zombies = []
        self.oracle.forget(before, keeping: self.redis.data.presence, self.mongo)
        self.remember(self.redis.data)
        self.oracle.isRestored = true
        self.endConnections()
    }

    /// Any. But often one with batches of an epoch that was ended without them; or else, where there is none, an older copy
    /// of the present epoch, of which the newest state is copied first, so that there will be.
    private func copyToPutBack() -> Int? {
        let copies = self.redis.copies
        let isBeyondEnd = { (index: Int) in
            let (copy, mongo) = (copies[index], self.mongo.committed)
            let epoch = Epoch(copy.epoch)
            let last = copy.sequence + (copy.live == nil ? 0 : 1)
            return mongo.epochs[epoch]?.isClosed == true && last > mongo.lastNumber(of: epoch)
        }
        let isOfPresentEpoch = { (index: Int) in copies[index].epoch == self.redis.data.epoch }
        if self.chance.percent(75) {
            if let index = self.some(Array(copies.indices), where: isBeyondEnd) { return index }
            if self.redis.isUp, let index = self.some(Array(copies.indices), where: isOfPresentEpoch) {
                self.redis.copy()
                return index
            }
        }
        return self.some(Array(copies.indices), where: { _ in true })
    }

    /// What a newer copy brings back is promised again, where no flusher works on what an older copy had under its number.
    private func remember(_ data: BufferData) {
        guard !self.flushers.contains(where: \.isActive) else { return }
        self.oracle.remember(data, self.mongo)
    }

    private func resynchronise() {
        guard self.redis.isUp, let index = self.copyToPutBack() else { return }
        let copy = self.redis.copies[index]
        self.note("Redis takes over a copy in epoch \(copy.epoch)")
        let before = self.redis.data.presence
        self.redis.resynchronise(withCopy: index)
        self.oracle.forget(before, keeping: copy.presence, self.mongo)
        self.remember(copy)
        self.oracle.isRestored = true
    }

    /// What was answered may still be read, before the end is noticed.
    private func endConnections() {
        for lane in self.instances.flatMap(\.lanes) {
            while self.chance.percent(50), lane.connection?.replies.isEmpty == false { lane.deliverReply() }
            lane.connectionLost()
        }
    }

    // MARK: The end

    private func heal() -> [String] {
        self.step = self.profile.steps
        self.isHealing = true
        self.note("healing")
        self.startRedis()
        self.redis.isFull = false
        self.mongo.isUp = true
        self.instances.forEach { $0.start() }
        while !self.zombies.isEmpty { self.deliverZombie() }
        for _ in 0..<40 {
            for lane in self.instances.flatMap(\.lanes) {
                lane.connect()
                lane.sendNext()
                lane.deliverRequest()
                lane.deliverReply()
            }
        }
        // What is frozen thaws, and what was begun ends.
        for flusher in self.flushers { self.finish(flusher) }
        for _ in 0..<2 {
            for flusher in self.flushers {
                flusher.start()
                self.finish(flusher)
            }
        }
        for flusher in self.flushers where flusher.isActive { flusher.kill() }
        return self.oracle.check(self)
    }

    private func finish(_ flusher: SimulatedFlusher) {
        flusher.frozenUntil = 0
        for _ in 0..<200 where flusher.isActive {
            self.redis.sync()
            flusher.step()
        }
    }

    // MARK: Choosing

    private func isRunning(_ flusher: SimulatedFlusher) -> Bool {
        flusher.number >= self.instances.count || self.instances[flusher.number].isUp
    }

    private func someLane(_ condition: (SimulatedLane) -> Bool) -> SimulatedLane? {
        self.some(self.instances.flatMap(\.lanes), where: condition)
    }

    private func someFlusher(_ condition: (SimulatedFlusher) -> Bool) -> SimulatedFlusher? {
        self.some(self.flushers, where: condition)
    }

    private func some<Element>(_ elements: [Element], where condition: (Element) -> Bool) -> Element? {
        let candidates = elements.filter(condition)
        return candidates.isEmpty ? nil : candidates[self.chance.below(candidates.count)]
    }
}
