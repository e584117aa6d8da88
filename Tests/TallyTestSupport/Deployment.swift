public import Foundation
import GRDB
public import TallyCore

/// One of the four deployments, with servers of its own.
public final class Deployment: Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case embedded = "embedded buffer and store"
        case redis = "Redis and embedded store"
        case mongoDB = "embedded buffer and MongoDB"
        case redisAndMongoDB = "Redis and MongoDB"

        public var usesRedis: Bool { self == .redis || self == .redisAndMongoDB }
        public var usesMongoDB: Bool { self == .mongoDB || self == .redisAndMongoDB }
    }

    public static let everySecond = "* * * * * *"
    /// For tests that flush by hand.
    public static let never = "0 0 1 1 *"

    public let kind: Kind
    public let redis: RedisServer?
    public let mongo: MongoServer?
    /// Several members in place of the one server.
    public let replicaSet: MongoReplicaSet?
    public let database: String
    public let folder: TemporaryDirectory

    private init(
        _ kind: Kind, _ redis: RedisServer?, _ mongo: MongoServer?, _ replicaSet: MongoReplicaSet?
    ) async throws {
        self.kind = kind
        self.redis =
            if !kind.usesRedis { nil } else if let redis { redis } else {
                try await RedisServer.start(appendfsync: .always)
            }
        self.mongo =
            if !kind.usesMongoDB || replicaSet != nil { nil } else if let mongo { mongo } else {
                try await MongoServer.shared()
            }
        self.replicaSet = replicaSet
        self.database = (self.mongo ?? replicaSet?.members.first)?.uniqueDatabase() ?? "test"
        self.folder = try TemporaryDirectory("deployment")
    }

    /// - Parameters:
    ///   - redis: one with other options than `appendfsync always`.
    ///   - mongo: one that the test may stop; else the shared one is used.
    ///   - replicaSet: takes the place of the one server.
    public static func start(
        _ kind: Kind, redis: RedisServer? = nil, mongo: MongoServer? = nil, on replicaSet: MongoReplicaSet? = nil
    ) async throws -> Deployment {
        try await Deployment(kind, redis, mongo, replicaSet)
    }

    /// Settings of an instance.
    /// - Parameters:
    ///   - redisPort: another way to Redis, such as through a proxy.
    ///   - mongoPort: another way to MongoDB.
    public func settings(
        flush: String = everySecond, redisPort: Int? = nil, mongoPort: Int? = nil, instance: Int = 1
    ) -> [String: String] {
        var settings = ["FLUSH_SCHEDULE": flush, "DATA_DIR": self.dataDirectory(instance).path]
        if let redis { settings["REDIS_URL"] = redis.url(port: redisPort ?? redis.port) }
        if let mongo { settings["MONGODB_URI"] = mongo.uri(database: self.database, port: mongoPort) }
        if let replicaSet { settings["MONGODB_URI"] = replicaSet.uri(database: self.database) }
        return settings
    }

    public func dataDirectory(_ instance: Int = 1) -> URL { self.folder.url.appendingPathComponent("data-\(instance)") }

    /// Moves everything into the store.
    public func flush(_ tally: TallyProcess) async throws {
        let (exit, output) = try await tally.run(["flush"])
        guard exit == .code(0) else { throw TestSupportError("tally flush: \(exit)\n\(output)") }
    }

    /// What `GET /audit` says.
    public func audit(_ tally: TallyProcess) async throws -> JSONValue {
        let response = try await TestConnection.once(port: tally.port, .GET, "/audit")
        guard response.status == 200 else { throw TestSupportError("audit: \(response.status) \(response.text)") }
        return try response.json()
    }

    /// Entries that wait to be flushed; what is being counted into is one of them.
    public func pendingCount() async throws -> Int {
        var count = 0
        if let redis {
            count += Int(try await redis.command(["LLEN", "{tally}:pending"]).integer ?? 0)
            count += Int(try await redis.command(["EXISTS", "{tally}:live"]).integer ?? 0)
        }
        guard FileManager.default.fileExists(atPath: self.embeddedFile.path) else { return count }
        let queue = try DatabaseQueue(path: self.embeddedFile.path)
        return try await queue.read { [count] database in
            try count + (Int.fetchOne(database, sql: "SELECT count(*) FROM batches") ?? 0)
                + (Int.fetchOne(database, sql: "SELECT count(*) FROM buffer_state WHERE live_total > 0") ?? 0)
        }
    }

    /// The server that takes MongoDB's writes; nil without MongoDB.
    public func mongoPrimary() async throws -> MongoServer? { try await self.replicaSet?.primary() ?? self.mongo }

    /// How many batches the store's ledger has as begun, and as finished, over all epochs. With MongoDB alone.
    /// - Parameter server: the one to ask; the primary where it is nil.
    public func batchesInLedger(on server: MongoServer? = nil) async throws -> (begun: Int64, finished: Int64) {
        let primary = server == nil ? try await self.mongoPrimary() : server
        guard let mongo = primary else { return (0, 0) }
        return try await mongo.documents(database: self.database, collection: "tally.epochs").reduce(into: (0, 0)) {
            $0.0 += $1["begun"]?.int64 ?? 0
            $0.1 += $1["lastNumber"]?.int64 ?? 0
        }
    }

    /// Takes away the lock of a flusher that was killed, which would keep others waiting for half a minute.
    public func forgetFlushLock() async throws { try await self.redis?.command(["DEL", "{tally}:flush-lock"]) }

    /// What /get-metric says of these clients.
    public func countedByAPI(_ tally: TallyProcess, clients: [Name]) async throws -> [Counter: Int64] {
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
    public func countedInStore(clients: [Name]) async throws -> [Counter: Int64] {
        guard let mongo = try await self.mongoPrimary() else { return try self.countedInFile() }
        var counts: [Counter: Int64] = [:]
        for client in clients {
            let documents = try await mongo.documents(database: self.database, collection: client.string)
            try counts.merge(CountedInStore.counts(inDocuments: documents, client: client)) { $0 + $1 }
        }
        return counts
    }

    private var embeddedFile: URL { self.dataDirectory().appendingPathComponent("tally.sqlite") }

    private func countedInFile() throws -> [Counter: Int64] {
        let queue = try DatabaseQueue(path: self.embeddedFile.path)
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
    public func violations(_ ledger: Ledger, _ tally: TallyProcess, exactly: Bool) async throws -> [String] {
        try await self.flush(tally)
        let clients = ledger.clients
        let api = try await self.countedByAPI(tally, clients: clients)
        let stored = try await self.countedInStore(clients: clients)
        return ledger.check(counted: api, exactly: exactly).map { "by /get-metric: \($0)" }
            + ledger.check(counted: stored, exactly: exactly).map { "in the store: \($0)" }
    }
}
