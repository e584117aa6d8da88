/// Something that the world lets happen in one step.
enum Event: Int, CaseIterable {
    // What always happens.
    case request, deliverRequest, deliverReply, connect, sendGathered, startFlush, stepFlush, sync, startRedis,
        startInstance
    // Faults of the way and of the instances.
    case breakConnection, timeOut, deliverZombie, freezeFlusher, killFlusher, endInstance, hour, longPause
    // Faults of Redis.
    case crash, crashDuringCommand, replicate, promote, copyRedis, restoreRedis, resynchronise, loseReplica
    case forgetScripts, fill
    // Faults of MongoDB.
    case failOver, replicateSome, mongoAway, mongoBack, silence
    // Faults of the spool.
    case copySpool, restoreSpool

    var isFault: Bool { self.rawValue >= Event.breakConnection.rawValue }
}

/// What kind of world a run has: how many take part, and how often what happens. Every run draws its own, and in most
/// some faults do not occur at all, so that others meet more often.
struct Profile {
    var steps = 220
    var instances = 1
    var lanes = 1
    /// `appendfsync always`, else `everysec`.
    var isAlwaysSynced = true
    var writesHours = false
    var boundOnTests = Catalog.tests
    /// How often a flusher stops between two of its steps.
    var pausePercent = 30
    var commandFailurePercent = 2
    var statementFailurePercent = 3
    var spoolFullPercent = 3
    var tearPercent = 50
    var weights: [Int]

    private static let usual: [Event: Int] = [
        .request: 22, .deliverRequest: 26, .deliverReply: 26, .connect: 8, .sendGathered: 6, .startFlush: 5,
        .stepFlush: 34, .sync: 6, .startRedis: 5, .startInstance: 4,
        .breakConnection: 3, .timeOut: 1, .deliverZombie: 3, .freezeFlusher: 2, .killFlusher: 1, .endInstance: 1,
        .hour: 2, .longPause: 0,
        .crash: 2, .crashDuringCommand: 1, .replicate: 4, .promote: 1, .copyRedis: 2, .restoreRedis: 1,
        .resynchronise: 1, .loseReplica: 1, .forgetScripts: 1, .fill: 1,
        .failOver: 2, .replicateSome: 4, .mongoAway: 1, .mongoBack: 4, .silence: 1,
        .copySpool: 2, .restoreSpool: 1,
    ]

    /// Draws one.
    init(_ chance: Chance) {
        self.weights = Event.allCases.map { Self.usual[$0]! }
        self.instances = 1 + chance.below(3)
        self.lanes = 1 + chance.below(2)
        self.isAlwaysSynced = chance.percent(50)
        self.writesHours = chance.percent(30)
        self.boundOnTests = chance.percent(30) ? Catalog.tests - 1 : Catalog.tests
        self.pausePercent = [5, 20, 40, 60][chance.below(4)]
        self.commandFailurePercent = [0, 0, 2, 5][chance.below(4)]
        self.statementFailurePercent = [0, 0, 3, 8][chance.below(4)]
        self.steps = [120, 220, 320][chance.below(3)]
        for event in Event.allCases where event.isFault { self[event] *= [0, 0, 1, 1, 3][chance.below(5)] }
        // What forgets needs something to go back to, and what is away comes back.
        self[.longPause] = chance.percent(5) ? 1 : 0
        self[.replicate] = max(self[.replicate], 1)
        self[.mongoBack] = 4
        self[.replicateSome] = max(self[.replicateSome], 1)
        if self[.restoreRedis] + self[.resynchronise] > 0 { self[.copyRedis] = max(self[.copyRedis], 1) }
        if self[.restoreSpool] > 0 { self[.copySpool] = max(self[.copySpool], 1) }
        if chance.percent(25) { self.goBackAndForward() }
    }

    /// Some worlds are about copies that are put back one after the other, which takes an epoch that lasts and is flushed
    /// in between.
    private mutating func goBackAndForward() {
        self.only([
            .copyRedis: 8, .restoreRedis: 3, .resynchronise: 1, .copySpool: 2, .restoreSpool: 1, .endInstance: 1,
            .hour: 3, .breakConnection: 1, .deliverZombie: 1, .killFlusher: 1, .freezeFlusher: 1, .failOver: 1,
        ])
        // Connections are soon back, so that more is counted in Redis than in the spool.
        self[.connect] = 40
        self[.deliverRequest] = 60
        self[.deliverReply] = 60
        self[.startFlush] = 30
        self[.stepFlush] = 80
        self.instances = 1
        self.lanes = 1
        self.pausePercent = min(self.pausePercent, 20)
        self.statementFailurePercent *= 2
        self.steps = 500
    }

    subscript(event: Event) -> Int {
        get { self.weights[event.rawValue] }
        set { self.weights[event.rawValue] = newValue }
    }

    /// Every fault of these becomes as frequent as said, all others cease.
    mutating func only(_ faults: [Event: Int]) {
        for event in Event.allCases where event.isFault { self[event] = faults[event] ?? 0 }
        self[.replicateSome] = max(self[.replicateSome], 1)
        self[.mongoBack] = 4
        self[.replicate] = max(self[.replicate], 1)
    }
}
