import TallyCore

/// Redis: the scripts of `Sources/TallyRedis/Scripts`, an append-only file that can lose its end, and the ways in which
/// a Redis forgets.
///
/// The file is a list of what scripts did, of which a prefix is durable. After a crash some of the rest is there, and
/// the script at the cut may be torn. A torn script has no effect at the next start; but it stays in the file, and
/// once something complete was written behind it, the start after that carries it out (docs/architecture.md, "The
/// buffer"), unless the file was written anew in between.
final class ModelRedis {
    private enum LogEntry {
        case complete([BufferData.Effect])
        case torn([BufferData.Effect])
    }

    private(set) var data = BufferData()
    private var base = BufferData()
    private var log: [LogEntry] = []
    private var durableCount = 0
    /// Entries that a file had which has been replaced since.
    private var rewrittenCount = 0
    private let isAlwaysSynced: Bool
    private let boundOnTests: Int
    private let broken: Break?

    private(set) var isUp = true
    /// Connections belong to one generation, and end with it.
    private(set) var generation = 1
    private var runID = 1
    private var replID = 1
    /// Whether the file was written anew since the start.
    private(set) var isRewritten = true
    private(set) var isFragmentReplayed = false
    private var hasScripts = false
    /// Out of memory: what writes is refused.
    var isFull = false

    private var replica = BufferData()
    /// Any of them may be put back at any time: an older one first, and a newer one of the same epoch after it.
    private(set) var copies: [BufferData] = []

    init(isAlwaysSynced: Bool, boundOnTests: Int, broken: Break?) {
        self.isAlwaysSynced = isAlwaysSynced
        self.boundOnTests = boundOnTests
        self.broken = broken
    }

    // MARK: Scripts

    enum HelloReply {
        case epoch(UInt64)
        case refused(String)
    }

    func loadScripts() { self.hasScripts = true }

    /// See `hello.lua`.
    func hello(candidate: UInt64) -> HelloReply {
        if self.data.epoch != 0 {
            let isSame = self.data.runID == self.runID && self.data.replID == self.replID
            if isSame || self.broken == .epochKept { return .epoch(self.data.epoch) }
        }
        if self.isFull { return .refused("OOM command not allowed") }
        if self.data.live != nil, self.data.isNextNumberTaken { return .refused("TALLYMALFORMED") }
        self.write(
            self.data.beginning(candidate, runID: self.runID, replID: self.replID, broken: self.broken))
        return .epoch(candidate)
    }

    enum TrackReply {
        /// One bit for each refused unit.
        case verdicts(UInt64)
        case error(String)
    }

    /// See `track.lua`.
    func track(_ batch: [Request], lane id: UInt64, number: Int64, epoch: UInt64, hour: Int64) -> TrackReply {
        guard self.hasScripts else { return .error("NOSCRIPT No matching script") }
        if self.isFull { return .error("OOM command not allowed") }
        if self.data.epoch != epoch, self.broken != .epochUnchecked {
            return .error("TALLYSTALE this epoch is over")
        }
        // The real one looks when its data did not do so in this tenth of a second, which an exchange never beats.
        if self.data.replID != self.replID, self.broken != .exchangeUnnoticed {
            return .error("TALLYSTALE this is another data set")
        }
        let key = BufferData.LaneKey(epoch: epoch, id: id)
        if let lane = self.data.lanes[key] {
            if lane.number == number, self.broken != .repeatNotRecognised {
                return .verdicts(self.broken == .verdictsNotRepeated ? 0 : lane.refused)
            }
            let follows = lane.number + 1 == number || self.broken == .repeatNotRecognised && lane.number == number
            if !follows, self.broken != .laneUnchecked { return .error("TALLYGAP the lane is at another number") }
        } else if number != 1, self.broken != .laneUnchecked {
            return .error("TALLYGAP the lane is not known")
        }

        var effects: [BufferData.Effect] = []
        var live = self.data.live
        if let counts = live, counts.hour != hour {
            if self.data.isNextNumberTaken { return .error("TALLYMALFORMED") }
            effects = self.data.sealing
            live = nil
        }
        var counts = live ?? BufferData.Counts(hour: hour)
        var changed: [Bool] = Array(repeating: false, count: Catalog.counters)
        var names = self.data.names
        var refused: UInt64 = 0
        var sum: Int64 = 0
        for (unit, request) in batch.enumerated() {
            let added = names | request.tests
            guard added.nonzeroBitCount <= self.boundOnTests else {
                refused |= 1 << UInt64(unit)
                continue
            }
            names = added
            for item in request.items {
                counts.values[item.counter] += item.count
                changed[item.counter] = true
                sum += item.count
            }
        }
        if sum > 0 {
            let values = (0..<Catalog.counters).filter { changed[$0] }.map { (counter: $0, value: counts.values[$0]) }
            effects.append(.setLive(values, hour: hour, total: counts.total + sum))
            effects.append(.setAccepted(self.data.accepted + sum))
        }
        if names != self.data.names { effects.append(.setNames(names)) }
        effects.append(.setLane(key, .init(number: number, refused: refused)))
        self.write(effects)
        return .verdicts(refused)
    }

    /// See `seal.lua`.
    func seal() throws(BufferError) {
        if self.isFull { throw BufferError(.refused, "OOM") }
        if self.data.live != nil, self.data.isNextNumberTaken {
            throw BufferError(.malformed, "the batch is there already")
        }
        let sealing = self.data.sealing
        if !sealing.isEmpty { self.write(sealing) }
    }

    /// See `acknowledge.lua`.
    func acknowledge(_ entry: PendingEntry) {
        var entry = entry
        if self.broken == .acknowledgedByPosition {
            guard let first = self.data.pending.first else { return }
            entry = first
        }
        guard self.data.pending.contains(entry) else { return }
        if case .batch(let id) = entry {
            self.write([.remove(entry), .unlink(id)])
        } else {
            self.write([.remove(entry)])
        }
    }

    // MARK: The append-only file

    private func write(_ effects: [BufferData.Effect]) {
        for effect in effects { self.data.perform(effect) }
        self.log.append(.complete(effects))
    }

    /// With `appendfsync always` what was done is synced before anybody is answered.
    func syncBeforeReplies() { if self.isAlwaysSynced { self.sync() } }

    func sync() { self.durableCount = self.log.count }

    /// A place in the file, and whether it is durable by now. One of an earlier generation is waited for in vain, as a
    /// flusher that waits for two seconds would.
    struct Position {
        fileprivate let generation: Int
        fileprivate let count: Int
    }

    var end: Position { Position(generation: self.generation, count: self.rewrittenCount + self.log.count) }

    func isDurable(_ position: Position) -> Bool {
        self.generation != position.generation || self.rewrittenCount + self.durableCount >= position.count
    }

    /// BGREWRITEAOF, at the moment in which the new file takes the place of the old one.
    func rewrite() {
        self.base = self.data
        self.rewrittenCount += self.log.count
        self.log = []
        self.durableCount = 0
        self.isRewritten = true
    }

    func forgetScripts() { self.hasScripts = false }

    // MARK: Forgetting

    /// The process ends; of what was not synced some is lost, and what is at the cut may be torn.
    func crash(_ chance: Chance, tearPercent: Int) {
        let kept = self.durableCount + chance.below(self.log.count - self.durableCount + 1)
        var log = Array(self.log[..<kept])
        if kept < self.log.count, case .complete(let effects) = self.log[kept], effects.count > 1,
            chance.percent(tearPercent)
        {
            log.append(.torn(Array(effects[..<(1 + chance.below(effects.count - 1))])))
        }
        self.log = log
        self.endProcess()
    }

    private func endProcess() {
        self.runID += 1
        self.isUp = false
        self.generation += 1
        self.hasScripts = false
        self.isFull = false
    }

    /// What a start would find in the file.
    private func replayed() -> (data: BufferData, usesFragment: Bool) {
        var data = self.base
        var torn: [BufferData.Effect] = []
        var usesFragment = false
        for entry in self.log {
            switch entry {
            case .torn(let effects): torn += effects
            case .complete(let effects):
                usesFragment = usesFragment || !torn.isEmpty
                for effect in torn { data.perform(effect) }
                torn = []
                for effect in effects { data.perform(effect) }
            }
        }
        return (data, usesFragment)
    }

    func start() {
        guard !self.isUp else { return }
        let replayed = self.replayed()
        self.data = replayed.data
        self.isFragmentReplayed = self.isFragmentReplayed || replayed.usesFragment
        self.durableCount = self.log.count
        self.isRewritten = self.log.isEmpty
        self.replID += 1
        // It follows again, also where it had more.
        self.replicate()
        self.isUp = true
    }

    /// The replica has caught up.
    func replicate() {
        self.replica = self.data
    }

    func copy() {
        guard self.data.epoch != 0 else { return }
        self.sync()
        self.copies.append(self.data)
    }

    /// The replica takes over with what it has.
    func promote() {
        self.endProcess()
        self.replace(by: self.replica)
        self.isUp = true
    }

    /// Another machine starts with a copy of the file.
    func restore(copy index: Int) {
        self.endProcess()
        self.replace(by: self.copies[index])
        self.isUp = true
    }

    /// Takes over a copy by replication while connections stand: only `master_replid` shows it.
    func resynchronise(withCopy index: Int) { self.replace(by: self.copies[index]) }

    /// The last replica leaves: nothing is forgotten, but `master_replid` changes.
    func loseReplica() { self.replID += 1 }

    private func replace(by data: BufferData) {
        self.replID += 1
        self.data = data
        self.replicate()
        self.rewrite()
    }
}
