import TallyCore

@testable import TallyMongo

/// The store on MongoDB as one flusher uses it: the steps of `MongoStore`, `EpochLedger` and `DocumentWriter`, each of
/// which may fail, and between which anything may happen. Whether a document has a batch is decided by the real
/// `CountUpdate`.
final class ModelStore: CounterStore, @unchecked Sendable {
    let kind = "mongodb"

    private unowned let flusher: SimulatedFlusher
    private let mongo: ModelMongo
    private let chance: Chance
    private let profile: Profile
    private let broken: Break?

    init(flusher: SimulatedFlusher, world: World) {
        self.flusher = flusher
        self.mongo = world.mongo
        self.chance = world.chance
        self.profile = world.profile
        self.broken = world.broken
    }

    func apply(_ batch: SealedBatch, pace: FlushPace, oldest: Int64?) async throws {
        guard let (epoch, entry, horizon) = try await self.begin(batch) else { return }
        let update = CountUpdate(
            batch: BatchID(epoch: epoch, number: batch.id.number), ordinal: entry.ordinal, horizon: horizon,
            hour: batch.hour, sealedAt: batch.sealedAt)
        if self.broken == .finishedBeforeWritten { try await self.finish(update.batch, total: batch.total) }
        try await self.write(batch.documents, as: update)
        try await self.finish(update.batch, total: batch.total)
    }

    func close(_ epoch: Epoch) async throws {
        var part = epoch
        while true {
            let term = try await self.begin()
            var isClosed = false
            if var entry = self.mongo.primary.epochs[part], !entry.isClosed,
                entry.begun <= entry.lastNumber || self.broken == .closedWhileBegun
            {
                entry.isClosed = true
                self.mongo.put(part, entry)
                isClosed = true
            }
            try await self.acknowledge(term)
            if isClosed { return }
            _ = try await self.begin()
            guard self.mongo.committed.epochs[part]?.isClosed == true else { return }
            part = part.continuation
        }
    }

    func recordFlush(at secondsSince1970: Int64) async throws {}
    func metrics(client: Name, test: Name?) async throws -> ClientMetrics? { nil }
    func clients() async throws -> [ClientSummary] { [] }
    func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts] { [] }
    /// The simulation has an audit of its own (`Oracle`).
    func ledger() async throws -> [StoreLedgerEntry] { throw StoreError(.unavailable, "not modelled") }

    func ping() async throws {}

    // MARK: Commands

    /// A command reaches the primary, or not.
    /// - Returns: the term in which it must end.
    private func begin() async throws -> Int {
        try await self.flusher.pause()
        guard self.mongo.isUp else { throw StoreError(.unavailable, "no primary") }
        if self.flusher.fails() { throw StoreError(.unavailable, "the command was lost") }
        return self.mongo.term
    }

    /// The answer to a write command: `w: majority`, so the majority has it first.
    private func acknowledge(_ term: Int) async throws {
        try await self.flusher.pause()
        try self.check(term)
        if self.flusher.fails() { throw StoreError(.unavailable, "the answer was lost") }
        if self.broken != .oneMemberEnough { self.mongo.commit() }
        if self.flusher.fails() { throw StoreError(.unavailable, "the answer was lost") }
    }

    private func check(_ term: Int) throws {
        guard self.mongo.isUp, self.mongo.term == term else {
            throw StoreError(.unavailable, "the primary stepped down")
        }
    }

    // MARK: The ledger of epochs

    private func begin(_ batch: SealedBatch) async throws -> (Epoch, MongoData.EpochEntry, EpochHorizon)? {
        var epoch = batch.id.epoch
        var previous: MongoData.EpochEntry?
        while true {
            let (entry, horizon) = try await self.open(epoch, buffer: batch.buffer, continuing: previous)
            guard batch.id.number > entry.lastNumber else { return nil }
            if entry.isClosed {
                switch self.broken {
                case .lateBatchRefused: throw StoreError(.malformed, "\(batch.id) comes after its epoch was closed")
                case .lateBatchDropped: return nil
                case .lateBatchInClosedEpoch: return (epoch, entry, horizon)
                default: break
                }
                previous = entry
                epoch = epoch.continuation
            } else if try await self.recordBegin(of: batch.id.number, in: epoch) {
                return (epoch, entry, horizon)
            }
        }
    }

    private func recordBegin(of number: Int64, in epoch: Epoch) async throws -> Bool {
        let term = try await self.begin()
        var isOpen = false
        if var entry = self.mongo.primary.epochs[epoch], !entry.isClosed {
            isOpen = true
            entry.begun = max(entry.begun, number)
            self.mongo.put(epoch, entry)
        }
        try await self.acknowledge(term)
        return isOpen
    }

    private func open(
        _ epoch: Epoch, buffer: String, continuing previous: MongoData.EpochEntry?
    ) async throws -> (MongoData.EpochEntry, EpochHorizon) {
        for attempt in 1...20 {
            if let found = try await self.find(epoch) { return found }
            let latest = self.mongo.committed.epochs.values.map(\.ordinal).max() ?? 0
            let term = try await self.begin()
            // A key that is there already is no fault: it is looked for again.
            _ = self.mongo.insert(
                epoch,
                MongoData.EpochEntry(ordinal: latest + 1, buffer: buffer, lastNumber: previous?.lastNumber ?? 0))
            try await self.acknowledge(term)
            if attempt > 2 { self.mongo.commitSome(self.chance) }
        }
        throw StoreError(.unavailable, "could not register a new epoch")
    }

    private func find(_ epoch: Epoch) async throws -> (MongoData.EpochEntry, EpochHorizon)? {
        _ = try await self.begin()
        let epochs = self.mongo.committed.epochs
        guard let entry = epochs[epoch] else { return nil }
        if self.broken == .prunedWhileOpen {
            let others = epochs.filter { $0.key != epoch }
            return (entry, EpochHorizon(floor: others.values.map(\.ordinal).max() ?? 0, closed: Array(others.keys)))
        }
        guard let oldestOpen = epochs.values.filter({ !$0.isClosed }).map(\.ordinal).min(), oldestOpen > 1 else {
            return (entry, EpochHorizon(floor: 0, closed: []))
        }
        _ = try await self.begin()
        let closed = self.mongo.committed.epochs.filter { $0.value.ordinal < oldestOpen }
            .sorted { $0.value.ordinal > $1.value.ordinal }
        return (entry, EpochHorizon(floor: oldestOpen - 1, closed: closed.map(\.key)))
    }

    private func finish(_ batch: BatchID, total: Int64) async throws {
        let term = try await self.begin()
        if var entry = self.mongo.primary.epochs[batch.epoch], entry.lastNumber < batch.number {
            entry.lastNumber = batch.number
            entry.total += total
            self.mongo.put(batch.epoch, entry)
        }
        try await self.acknowledge(term)
    }

    // MARK: Documents

    /// One document to be written: what the batch adds to it.
    private struct Target {
        let key: MongoData.DocumentKey
        let values: [Int64]
    }

    /// Cut by client and kind; one piece that fails does not keep the others from being written.
    private func write(_ documents: [DocumentCounts], as update: CountUpdate) async throws {
        var failure: StoreError?
        var rest = documents[...]
        while let client = rest.first?.client {
            let piece = rest.prefix { $0.client == client }
            rest = rest.dropFirst(piece.count)
            for kind in 0..<(self.profile.writesHours ? 2 : 1) {
                let targets = piece.map { document in
                    var values = [Int64](repeating: 0, count: Catalog.variationsPerTest)
                    for count in document.counts {
                        values[Catalog.variationNames.firstIndex(of: count.variation)!] = count.count
                    }
                    let test = Catalog.test(named: document.test)
                    return Target(
                        key: .init(kind: kind, test: test, day: kind == 0 ? 0 : update.hour.day), values: values)
                }
                do {
                    try await self.write(targets, update)
                } catch let error as StoreError where error.code == .refused {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    /// Looks, writes, and looks again at whatever is left.
    private func write(_ targets: [Target], _ update: CountUpdate) async throws {
        var rest = targets
        var isRefused = false
        for look in 1...DocumentWriter.maximumLooks {
            var pass = Pass()
            try await self.pass(over: rest, update, &pass)
            isRefused = isRefused || pass.isRefused
            rest = pass.unsettled
            if rest.isEmpty {
                if isRefused { throw StoreError(.refused, "a document was not taken") }
                return
            }
            // Time passes, and the majority catches up.
            if look > 2 { self.mongo.commitSome(self.chance) }
        }
        throw StoreError(.unavailable, "another flusher kept changing the same documents")
    }

    private struct Pass {
        var isRefused = false
        var unsettled: [Target] = []
    }

    private func pass(over targets: [Target], _ update: CountUpdate, _ pass: inout Pass) async throws {
        _ = try await self.begin()
        let seen = self.broken == .readFromOneMember ? self.mongo.primary : self.mongo.committed
        var missing: [Target] = []
        var present: [(target: Target, marks: AppliedMarks)] = []
        for target in targets {
            if let marks = seen.documents[target.key]?.marks {
                if !update.isApplied(marks) { present.append((target, marks)) }
            } else {
                missing.append(target)
            }
        }
        if self.broken == .guardWithUpsert {
            return try await self.upsert(missing.map { ($0, AppliedMarks()) } + present, update)
        }
        if !missing.isEmpty { try await self.insert(missing, update, &pass) }
        if !present.isEmpty { try await self.change(present, update, &pass) }
    }

    private func insert(_ targets: [Target], _ update: CountUpdate, _ pass: inout Pass) async throws {
        let term = try await self.begin()
        for target in targets {
            try await self.flusher.pause()
            try self.check(term)
            if self.flusher.isStatementRefused() {
                pass.isRefused = true
                if self.broken == .orderedBulk { break }
            } else if !self.mongo.insert(target.key, self.document(target, update)) {
                if self.broken != .duplicateTakenForApplied { pass.unsettled.append(target) }
                if self.broken == .orderedBulk { break }
            }
        }
        try await self.acknowledge(term)
    }

    private func change(
        _ targets: [(target: Target, marks: AppliedMarks)], _ update: CountUpdate, _ pass: inout Pass
    ) async throws {
        let term = try await self.begin()
        var sent: [Target] = []
        var changed = 0
        for (target, marks) in targets {
            try await self.flusher.pause()
            try self.check(term)
            if self.flusher.isStatementRefused() {
                pass.isRefused = true
                if self.broken == .orderedBulk { break }
                continue
            }
            sent.append(target)
            guard let document = self.mongo.primary.documents[target.key] else { continue }
            // The filter: evaluated against the document as it is now.
            if update.isApplied(document.marks), self.broken != .guardOff { continue }
            self.mongo.put(target.key, self.changed(document, by: target, marks, update))
            changed += 1
        }
        try await self.acknowledge(term)
        if changed < sent.count { pass.unsettled += sent }
    }

    /// The tempting way that is wrong: a filter with the guard, and upsert beside it.
    private func upsert(_ targets: [(target: Target, marks: AppliedMarks)], _ update: CountUpdate) async throws {
        let term = try await self.begin()
        for (target, marks) in targets {
            let found = self.mongo.primary.documents[target.key]
            try await self.flusher.pause()
            try self.check(term)
            if let found {
                let document = self.mongo.primary.documents[target.key] ?? found
                if update.isApplied(document.marks) { continue }  // E11000, "applied"
                self.mongo.put(target.key, self.changed(document, by: target, marks, update))
            } else {
                _ = self.mongo.insert(target.key, self.document(target, update))  // E11000, "applied"
            }
        }
        try await self.acknowledge(term)
    }

    // MARK: What is written; see `CountUpdate`

    private func document(_ target: Target, _ update: CountUpdate) -> MongoData.Document {
        let floor = self.broken == .floorNotSet ? 0 : update.horizon.floor
        return MongoData.Document(
            values: target.values,
            marks: AppliedMarks(floor: floor, numbers: [update.batch.epoch.description: update.batch.number]))
    }

    /// - Parameter marks: as they were when the document was looked at; by them it is known which can be pruned.
    private func changed(
        _ document: MongoData.Document, by target: Target, _ marks: AppliedMarks, _ update: CountUpdate
    ) -> MongoData.Document {
        var document = document
        for (variation, value) in target.values.enumerated() { document.values[variation] += value }
        document.marks.numbers[update.batch.epoch.description] = update.batch.number
        if marks.floor < update.horizon.floor {
            for epoch in update.horizon.closed where epoch != update.batch.epoch {
                document.marks.numbers[epoch.description] = nil
            }
        }
        if self.broken != .floorNotSet { document.marks.floor = max(document.marks.floor, update.horizon.floor) }
        return document
    }
}
