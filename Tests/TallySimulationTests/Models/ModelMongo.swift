import TallyCore

@testable import TallyMongo

/// What lies in MongoDB.
struct MongoData {
    struct DocumentKey: Hashable {
        let kind: Int
        let test: Int
        /// 0 for the totals.
        let day: Int64
    }

    struct Document {
        var values: [Int64]
        var marks: AppliedMarks
    }

    struct EpochEntry {
        let ordinal: Int64
        let buffer: String
        var begun: Int64 = 0
        var lastNumber: Int64 = 0
        var total: Int64 = 0
        var isClosed = false
    }

    var documents: [DocumentKey: Document] = [:]
    var epochs: [Epoch: EpochEntry] = [:]

    /// For every counter the sum in the documents of all time.
    var totals: [Int64] { self.sums(ofKind: 0) }
    /// For every counter the sum over all hours.
    var hours: [Int64] { self.sums(ofKind: 1) }

    /// The last batch of an epoch that anything has come of, in the ledger or in a document, the epoch's continuations
    /// included.
    func lastNumber(of epoch: Epoch) -> Int64 {
        var last: Int64 = 0
        var part = epoch
        while let entry = self.epochs[part] {
            last = max(last, entry.lastNumber, entry.begun)
            for document in self.documents.values { last = max(last, document.marks.numbers[part.description] ?? 0) }
            part = part.continuation
        }
        return last
    }

    /// The last batch of an epoch that is finished, in it or in a continuation.
    func finishedNumber(of epoch: Epoch) -> Int64 {
        var last: Int64 = 0
        var part = epoch
        while let entry = self.epochs[part] {
            last = max(last, entry.lastNumber)
            part = part.continuation
        }
        return last
    }

    private func sums(ofKind kind: Int) -> [Int64] {
        var sums = [Int64](repeating: 0, count: Catalog.counters)
        for (key, document) in self.documents where key.kind == kind {
            for (variation, value) in document.values.enumerated() {
                sums[key.test * Catalog.variationsPerTest + variation] += value
            }
        }
        return sums
    }
}

/// MongoDB, as its clients see it: a primary, and what a majority of the members has. A new primary has at least what
/// the majority has, and perhaps more; the rest is rolled back.
final class ModelMongo {
    private enum Operation {
        case document(MongoData.DocumentKey, MongoData.Document)
        case epoch(Epoch, MongoData.EpochEntry)
    }

    private(set) var primary = MongoData()
    private(set) var committed = MongoData()
    /// What the primary has and the majority has not yet.
    private var oplog: [Operation] = []
    /// Grows with every election.
    private(set) var term = 1
    var isUp = true

    // MARK: Writing, on the primary

    /// - Returns: false where the key is there already (E11000).
    func insert(_ key: MongoData.DocumentKey, _ document: MongoData.Document) -> Bool {
        guard self.primary.documents[key] == nil else { return false }
        self.put(key, document)
        return true
    }

    func put(_ key: MongoData.DocumentKey, _ document: MongoData.Document) {
        self.primary.documents[key] = document
        self.oplog.append(.document(key, document))
    }

    /// - Returns: false where the epoch or the ordinal is there already (E11000).
    func insert(_ epoch: Epoch, _ entry: MongoData.EpochEntry) -> Bool {
        guard self.primary.epochs[epoch] == nil,
            !self.primary.epochs.values.contains(where: { $0.ordinal == entry.ordinal })
        else { return false }
        self.put(epoch, entry)
        return true
    }

    func put(_ epoch: Epoch, _ entry: MongoData.EpochEntry) {
        self.primary.epochs[epoch] = entry
        self.oplog.append(.epoch(epoch, entry))
    }

    // MARK: Replication

    /// The majority catches up.
    func commit() {
        self.committed = self.primary
        self.oplog = []
    }

    /// The majority catches up to somewhere.
    func commitSome(_ chance: Chance) {
        let count = chance.below(self.oplog.count + 1)
        Self.perform(self.oplog[..<count], on: &self.committed)
        self.oplog.removeFirst(count)
    }

    /// Another member becomes primary; what it does not have is rolled back.
    func failOver(_ chance: Chance) {
        self.oplog.removeLast(chance.below(self.oplog.count + 1))
        self.primary = self.committed
        Self.perform(self.oplog[...], on: &self.primary)
        self.term += 1
    }

    private static func perform(_ operations: ArraySlice<Operation>, on data: inout MongoData) {
        for operation in operations {
            switch operation {
            case .document(let key, let document): data.documents[key] = document
            case .epoch(let epoch, let entry): data.epochs[epoch] = entry
            }
        }
    }
}
