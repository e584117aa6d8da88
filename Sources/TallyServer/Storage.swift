public import Logging
public import NIOCore
import NIOPosix
import NIOSSL
public import TallyConfig
public import TallyCore
import TallyMongo
import TallyRedis
import TallySQLite

/// Where counts lie: the buffer that takes them, the store that keeps them, and what an earlier configuration left
/// behind. Made from the settings, the same way for the service and for every command.
public struct Storage: Sendable {
    /// Takes the counts.
    public let buffer: any CounterBuffer
    /// All buffers that may hold counts for the store, the first of them `buffer`.
    public let buffers: [any CounterBuffer]
    public let store: any CounterStore
    /// Where the embedded file lies; nil where none is in use.
    public let embeddedPath: String?

    private let database: EmbeddedDatabase?
    private let redis: RedisBuffer?
    private let mongo: MongoStore?

    /// Opens files and reads connection strings. Does not wait for Redis or MongoDB: either may be away.
    /// - Throws: `EmbeddedDatabaseError`, or `StoreError` for a connection string that the driver does not take.
    public init(_ settings: Settings, eventLoop: any EventLoop, logger: Logger) throws {
        let bounds = NameBounds(
            clients: settings.maxClients, testsPerClient: settings.maxTestsPerClient,
            variationsPerTest: settings.maxVariationsPerTest, eventsPerTest: settings.maxEventsPerTest)
        let eventIDs = EventIDBounds(window: settings.dedupeWindow, maximum: settings.dedupeMaxIDs)
        let needsFile = settings.redis == nil || settings.mongoDBURI == nil
        let database =
            needsFile || EmbeddedDatabase.exists(in: settings.dataDirectory)
            ? try EmbeddedDatabase(directory: settings.dataDirectory) : nil
        let mongo = try settings.mongoDBURI.map { try MongoStore(uri: $0.text, logger: logger) }
        let store: any CounterStore
        let owner: String
        if let mongo {
            store = mongo
            owner = "mongodb"
        } else if let database {
            store = SQLiteStore(database: database)
            owner = "embedded:\(database.storeID)"
        } else {
            preconditionFailure("without MongoDB there is a file")
        }
        var buffers: [any CounterBuffer] = []
        let redis = try settings.redis.map { url in
            RedisBuffer(
                endpoint: try RedisEndpoint(url, caFile: settings.redisCAFile), keyPrefix: settings.redisKeyPrefix,
                bounds: bounds, eventIDs: eventIDs, owner: owner,
                eventLoop: eventLoop, logger: logger)
        }
        if let redis { buffers.append(redis) }
        if let database {
            // A file that is restored from a copy takes its store with it, unless the store is elsewhere.
            buffers.append(
                SQLiteBuffer(
                    database: database, kind: "embedded", bounds: bounds, eventIDs: eventIDs,
                    startsNewEpoch: mongo != nil))
        }
        self.buffer = buffers[0]
        self.buffers = buffers
        self.store = store
        self.embeddedPath = database?.path
        self.database = database
        self.redis = redis
        self.mongo = mongo
    }

    /// Closes everything. Nothing may be in use any more.
    public func shutdown() async {
        await self.redis?.shutdown()
        await self.mongo?.shutdown()
        try? self.database?.close()
    }
}

extension RedisEndpoint {
    /// - Throws: `StartError` where the file of certificates cannot be used.
    init(_ url: RedisURL, caFile: String?) throws {
        var tls: NIOSSLContext?
        if url.tls {
            var configuration = TLSConfiguration.makeClientConfiguration()
            do {
                if let caFile { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(caFile)) }
                tls = try NIOSSLContext(configuration: configuration)
            } catch {
                throw StartError(
                    .configuration, "REDIS_CA_FILE \(caFile ?? "") cannot be read as certificates in PEM: \(error)")
            }
        }
        self.init(
            host: url.host, port: url.port, user: url.user, password: url.password, database: url.database, tls: tls)
    }
}
