import Foundation
import GRDB
import TallyCore
import TallyTestSupport
import Testing

/// One of the four deployments, with servers of its own.
final class Deployment: Sendable, CustomTestStringConvertible {
    enum Kind: String, CaseIterable, Sendable {
        case embedded = "embedded buffer and store"
        case redis = "Redis and embedded store"
        case mongoDB = "embedded buffer and MongoDB"
        case redisAndMongoDB = "Redis and MongoDB"

        var usesRedis: Bool { self == .redis || self == .redisAndMongoDB }
        var usesMongoDB: Bool { self == .mongoDB || self == .redisAndMongoDB }
    }

    static let everySecond = "* * * * * *"
    /// For tests that flush by hand.
    static let never = "0 0 1 1 *"

    let kind: Kind
    let redis: RedisServer?
    let mongo: MongoServer?
    /// Several members in place of the one server.
    let replicaSet: MongoReplicaSet?
    let database: String
    let folder: TemporaryDirectory

    private init(_ kind: Kind, _ replicaSet: MongoReplicaSet?) async throws {
        self.kind = kind
        self.redis = kind.usesRedis ? try await RedisServer.start(appendfsync: .always) : nil
        self.mongo = kind.usesMongoDB && replicaSet == nil ? try await MongoServer.shared() : nil
        self.replicaSet = replicaSet
        self.database = self.mongo?.uniqueDatabase() ?? "test"
        self.folder = try TemporaryDirectory("deployment")
    }

    static func start(_ kind: Kind, on replicaSet: MongoReplicaSet? = nil) async throws -> Deployment {
        try await Deployment(kind, replicaSet)
    }

    var testDescription: String { self.kind.rawValue }

    /// Settings of an instance.
    /// - Parameter redisPort: another way to Redis, such as through a proxy.
    func settings(flush: String = everySecond, redisPort: Int? = nil, instance: Int = 1) -> [String: String] {
        var settings = ["FLUSH_SCHEDULE": flush, "DATA_DIR": self.dataDirectory(instance).path]
        if let redis { settings["REDIS_URL"] = redis.url(port: redisPort ?? redis.port) }
        if let mongo { settings["MONGODB_URI"] = mongo.uri(database: self.database) }
        if let replicaSet { settings["MONGODB_URI"] = replicaSet.uri(database: self.database) }
        return settings
    }

    func dataDirectory(_ instance: Int = 1) -> URL { self.folder.url.appendingPathComponent("data-\(instance)") }

    /// Moves everything into the store.
    func flush(_ tally: TallyProcess) async throws {
        let (exit, output) = try await tally.run(["flush"])
        guard exit == .code(0) else { throw TestSupportError("tally flush: \(exit)\n\(output)") }
    }

    /// What `GET /audit` says.
    func audit(_ tally: TallyProcess) async throws -> JSONValue {
        let response = try await TestConnection.once(port: tally.port, .GET, "/audit")
        guard response.status == 200 else { throw TestSupportError("audit: \(response.status) \(response.text)") }
        return try response.json()
    }

    /// What /get-metric says of these clients.
    func countedByAPI(_ tally: TallyProcess, clients: [Name]) async throws -> [Counter: Int64] {
        var counts: [Counter: Int64] = [:]
        let connection = try await TestConnection.connect(port: tally.port)
        for client in clients {
            let response = try await connection.request(.GET, "/get-metric?clientName=\(client)")
            if response.status == 404 { continue }
            guard response.status == 200 else {
                throw TestSupportError("get-metric: \(response.status) \(response.text)")
            }
            try counts.merge(CountedInStore.counts(inMetrics: response.json())) { $0 + $1 }
        }
        await connection.close()
        return counts
    }

    /// What lies in MongoDB or SQLite, read without tally.
    func countedInStore(clients: [Name]) async throws -> [Counter: Int64] {
        guard let mongo = try await self.replicaSet?.primary() ?? self.mongo else { return try self.countedInFile() }
        var counts: [Counter: Int64] = [:]
        for client in clients {
            let documents = try await mongo.documents(database: self.database, collection: client.string)
            try counts.merge(CountedInStore.counts(inDocuments: documents, client: client)) { $0 + $1 }
        }
        return counts
    }

    private func countedInFile() throws -> [Counter: Int64] {
        let queue = try DatabaseQueue(path: self.dataDirectory().appendingPathComponent("tally.sqlite").path)
        return try queue.read { database in
            var counts: [Counter: Int64] = [:]
            let rows = try Row.fetchCursor(
                database, sql: "SELECT client, test, variation, event, count FROM store_counts")
            while let row = try rows.next() {
                let counter = Counter(
                    client: Name(row[0] as String), test: Name(row[1] as String), variation: Name(row[2] as String),
                    event: Name(row[3] as String))
                counts[counter] = row[4]
            }
            return counts
        }
    }

    /// Flushes, and holds what is in the store against the ledger, as the API shows it and as it lies there.
    /// - Returns: What is wrong, one line each.
    func violations(_ ledger: Ledger, _ tally: TallyProcess, exactly: Bool) async throws -> [String] {
        try await self.flush(tally)
        let clients = ledger.clients
        let api = try await self.countedByAPI(tally, clients: clients)
        let stored = try await self.countedInStore(clients: clients)
        return ledger.check(counted: api, exactly: exactly).map { "by /get-metric: \($0)" }
            + ledger.check(counted: stored, exactly: exactly).map { "in the store: \($0)" }
    }
}
