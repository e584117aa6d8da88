/// The controls: each takes one rule of the protocol away, in a model or in the thin layer around what is real. The
/// simulation must notice every one of them, else it could not notice a defect either.
enum Break: String, CaseIterable, Sendable {
    // Lane and track.lua
    /// A number that does not follow the lane's last one is counted all the same.
    case laneUnchecked
    /// The lane's last number is counted again instead of being recognised.
    case repeatNotRecognised
    /// A batch that comes again is told that everything was counted, whatever was refused.
    case verdictsNotRepeated
    /// Counts of an epoch that is over are taken.
    case epochUnchecked
    /// A batch without an answer is sent again in the next epoch.
    case sentAgainInNewEpoch
    /// A batch without an answer is reported as not counted.
    case unknownTakenForRefused
    /// Requests are answered when their batch is sent.
    case answeredBeforeApplied

    // hello.lua and Redis' file
    /// A Redis that forgot goes on in its epoch.
    case epochKept
    /// What was being counted goes on in the next epoch.
    case liveNotSealed
    /// The end of an epoch stands before its last batch.
    case closedBeforeSealed
    /// Counting goes on before the file was written anew.
    case fileNotRewritten
    /// Counts go into a data set that was exchanged under standing connections.
    case exchangeUnnoticed
    /// The spool's file may be an old copy, and goes on in its epoch.
    case spoolEpochKept

    // The flush
    /// The store gets what a crash of Redis would undo.
    case noBarrier
    /// Batches go to the store in another order.
    case appliedOutOfOrder
    /// A batch is forgotten before the store has it.
    case acknowledgedBeforeApplied
    /// The first entry is acknowledged, whatever it is.
    case acknowledgedByPosition
    /// A field that a scan shows twice counts twice.
    case scanDuplicatesAdded

    // MongoDB
    /// A document is changed whatever it has already.
    case guardOff
    /// E11000 is taken for: applied.
    case duplicateTakenForApplied
    /// The guard stands beside an upsert.
    case guardWithUpsert
    /// w: 1
    case oneMemberEnough
    /// What one member has is read, which may be rolled back.
    case readFromOneMember
    /// An ordered bulk, of which all is taken for done that stands behind an error.
    case orderedBulk
    /// A batch is recorded as finished before its documents are written.
    case finishedBeforeWritten
    /// A batch that comes after its epoch was closed is refused, and all behind it waits.
    case lateBatchRefused
    /// It is taken for one that is finished.
    case lateBatchDropped
    /// It is applied under the closed epoch.
    case lateBatchInClosedEpoch
    /// An epoch is closed while a batch of it is being applied.
    case closedWhileBegun
    /// A silent epoch is closed although a batch of it is applied in part.
    case silenceWhileBegun
    /// Marks of epochs that are not over are removed, under a floor above them.
    case prunedWhileOpen
    /// Marks are removed without a floor.
    case floorNotSet

    /// Makes what shows the break more frequent.
    func bias(_ profile: inout Profile) {
        switch self {
        case .laneUnchecked: profile.only([.breakConnection: 12, .deliverZombie: 2])
        case .repeatNotRecognised: profile.only([.breakConnection: 10])
        case .verdictsNotRepeated:
            profile.only([.breakConnection: 12])
            profile.boundOnTests = Catalog.tests - 1
        case .epochUnchecked: profile.only([.resynchronise: 6, .copyRedis: 8, .breakConnection: 10, .deliverZombie: 5])
        case .sentAgainInNewEpoch: profile.only([.breakConnection: 6, .loseReplica: 8, .crash: 3])
        case .unknownTakenForRefused: profile.only([.breakConnection: 6, .loseReplica: 8, .crash: 3])
        case .answeredBeforeApplied: profile.only([.breakConnection: 8, .crash: 4])
        case .epochKept: profile.only([.copyRedis: 6, .restoreRedis: 4])
        case .liveNotSealed: profile.only([.copyRedis: 6, .restoreRedis: 4])
        case .closedBeforeSealed: profile.only([.crash: 4])
        case .fileNotRewritten:
            profile.only([.crashDuringCommand: 8, .crash: 6, .hour: 5])
            profile.tearPercent = 90
            profile.isAlwaysSynced = false
            profile.steps = 320
            profile[.sync] = 3
            profile[.startFlush] = 10
        case .exchangeUnnoticed: profile.only([.resynchronise: 5, .copyRedis: 8])
        case .spoolEpochKept:
            profile.only([.copySpool: 6, .restoreSpool: 10, .endInstance: 5, .crash: 5])
            profile[.startRedis] = 2
        case .noBarrier:
            profile.only([.crash: 5])
            profile.isAlwaysSynced = false
            profile[.sync] = 2
        case .appliedOutOfOrder: profile.only([.hour: 6, .mongoAway: 2])
        case .acknowledgedBeforeApplied: profile.only([.killFlusher: 8])
        case .acknowledgedByPosition: profile.only([.hour: 5, .freezeFlusher: 5])
        case .scanDuplicatesAdded: profile.only([:])
        case .guardOff:
            profile.only([.freezeFlusher: 5])
            profile.pausePercent = 60
        case .duplicateTakenForApplied, .guardWithUpsert:
            profile.only([.crash: 5, .failOver: 1])
            profile.instances = 3
            profile.pausePercent = 60
            profile[.startRedis] = 2
        case .oneMemberEnough: profile.only([.failOver: 8])
        case .readFromOneMember:
            profile.only([.failOver: 10])
            profile.pausePercent = 60
        case .orderedBulk:
            profile.only([.failOver: 1])
            profile.statementFailurePercent = 15
        case .finishedBeforeWritten: profile.only([.killFlusher: 8, .failOver: 3])
        case .lateBatchRefused, .lateBatchDropped, .lateBatchInClosedEpoch:
            profile.only([.copyRedis: 8, .restoreRedis: 5, .hour: 3])
            profile.instances = 1
            profile.pausePercent = 5
            profile.steps = 320
            profile[.startFlush] = 15
        case .closedWhileBegun:
            // Batches that are applied in part, with copies of Redis before and after them.
            profile.only([.copyRedis: 8, .restoreRedis: 5, .killFlusher: 4, .hour: 3])
            profile.instances = 1
            profile.statementFailurePercent = 20
            profile.steps = 320
            profile[.startFlush] = 12
        case .silenceWhileBegun:
            profile.only([.silence: 6, .killFlusher: 4, .hour: 3])
            profile.statementFailurePercent = 20
        case .prunedWhileOpen: profile.only([.crash: 5, .loseReplica: 2])
        case .floorNotSet:
            profile.only([.loseReplica: 6, .freezeFlusher: 6, .hour: 2])
            profile.instances = 1
            profile.pausePercent = 60
            profile.steps = 320
        }
    }
}
