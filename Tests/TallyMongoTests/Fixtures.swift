import Logging
import TallyCore
import TallyMongo
import TallyTestSupport

/// A database of one test's own, and the stores that work on it.
struct Database {
    let server: MongoServer
    let name: String

    /// On the server that tests share.
    static func fresh() async throws -> Database {
        let server = try await MongoServer.shared()
        return Database(server: server, name: server.uniqueDatabase("store"))
    }

    /// Runs `body` with a store, and ends its threads whatever happens.
    func withStore<Result>(
        options: String = "", port: Int? = nil, logger: Logger = .silent,
        isolation: isolated (any Actor)? = #isolation, _ body: (MongoStore) async throws -> Result
    ) async throws -> Result {
        let store = try MongoStore(
            uri: self.server.uri(database: self.name, port: port, options: options), logger: logger)
        do {
            let result = try await body(store)
            await store.shutdown()
            return result
        } catch {
            await store.shutdown()
            throw error
        }
    }

    /// The document of a test as it lies in MongoDB.
    func document(_ client: String, _ test: String) async throws -> BSONDocument? {
        try await self.server.documents(database: self.name, collection: client, filter: ["_id": .string(test)]).first
    }

    func epoch(_ epoch: Epoch) async throws -> BSONDocument? {
        try await self.document("tally.epochs", epoch.description)
    }

    /// Changes one document by hand.
    func change(_ collection: String, id: BSONValue, _ update: BSONDocument) async throws {
        try await self.server.command(
            [
                "update": .string(collection),
                "updates": [["q": ["_id": id], "u": .document(update)]],
            ], database: self.name)
    }

    /// Lets an epoch have been silent for so long.
    func age(_ epoch: Epoch, days: Int64) async throws {
        let milliseconds = (Timestamp.now() - days * 86_400) * 1_000
        try await self.change(
            "tally.epochs", id: .string(epoch.description),
            ["$set": ["finishedAt": .date(millisecondsSince1970: milliseconds)]])
    }

    /// Makes the ledger forget that an epoch was finished or closed, as a flusher saw it that read it long ago.
    func rewind(_ epoch: Epoch) async throws {
        try await self.change(
            "tally.epochs", id: .string(epoch.description),
            ["$set": ["lastNumber": .int64(0)], "$unset": ["closedAt": ""]])
    }
}

/// 2026-11-22, 10:00 UTC.
let morning = Hour(containing: 1_795_341_600)

/// What a test adds, in few words: `counts("acme", "cta", ["A": 5], purchase: ["A": 1])`.
func counts(
    _ client: Name, _ test: Name, _ views: [(Name, Int64)] = [], purchase: [(Name, Int64)] = []
) -> DocumentCounts {
    let all =
        views.map { DocumentCounts.Count(variation: $0.0, event: .view, count: $0.1) }
        + purchase.map { DocumentCounts.Count(variation: $0.0, event: "purchase", count: $0.1) }
    return DocumentCounts(
        client: client, test: test, counts: all.sorted { ($0.variation, $0.event) < ($1.variation, $1.event) })
}

/// A batch sealed 45 minutes into its hour.
func batch(
    _ epoch: Epoch, _ number: Int64, at hour: Hour = morning, _ documents: [DocumentCounts]
) -> SealedBatch {
    SealedBatch(
        id: BatchID(epoch: epoch, number: number), hour: hour, sealedAt: hour.secondsSince1970 + 2700, buffer: "redis",
        documents: documents.sorted { ($0.client, $0.test) < ($1.client, $1.test) })
}

extension TestMetrics {
    /// The default event's counts, by variation.
    var views: [Name: Int64] { Dictionary(uniqueKeysWithValues: self.variations.map { ($0.name, $0.count) }) }
}
