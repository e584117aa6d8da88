public import Logging
public import NIOCore
import NIOPosix
import NIOSSL
public import TallyConfig
public import TallyCore
public import TallyMongo
public import TallyRedis
import TallySQLite

/// How full the spool is.
struct SpoolUse: Sendable {
    let bytes: Int64
    let maximumBytes: Int64
}

/// Where counts lie: the buffer that takes them, the store that keeps them, and what an earlier configuration left
/// behind. Made from the settings, the same way for the service and for every command.
public struct Storage: Sendable {
    /// Takes the counts.
    public let buffer: any CounterBuffer
    /// Takes counts while the buffer cannot be reached: the embedded buffer of this instance, where the buffer is Redis.
    /// Nil where its file cannot be opened, or none is needed.
    public let spool: (any CounterBuffer)?
    /// All buffers that may hold counts for the store, the first of them `buffer`.
    public let buffers: [any CounterBuffer]
    public let store: any CounterStore
    /// Where the embedded file lies; nil where none is in use.
    public let embeddedPath: String?

    private let database: EmbeddedDatabase?
    /// What of its room the spool takes; nothing of none, where there is no spool.
    let spoolUse: @Sendable () async throws -> SpoolUse
    let redis: RedisBuffer?
    /// The store, where it is on MongoDB.
    public let mongo: MongoStore?

    /// Opens files and reads connection strings. Does not wait for Redis or MongoDB: either may be away.
    /// The file is made where it is missing and buffer or store is in it.
    /// - Parameter opensSpool: true for the service, which makes a file for the spool, too; a command has no counts to take.
    /// - Throws: `EmbeddedDatabaseError`, or `StoreError` for a connection string that the driver does not take.
    public init(_ settings: Settings, opensSpool: Bool, eventLoop: any EventLoop, logger: Logger) throws {
        let bounds = NameBounds(
            clients: settings.maxClients, testsPerClient: settings.maxTestsPerClient,
            variationsPerTest: settings.maxVariationsPerTest, eventsPerTest: settings.maxEventsPerTest)
        let eventIDs = EventIDBounds(window: settings.dedupeWindow, maximum: settings.dedupeMaxIDs)
        let database = try Self.openFile(settings, opensSpool: opensSpool, logger)
        let mongo = try settings.mongoDBURI.map { try MongoStore(uri: $0.text, logger: logger) }
        let store: any CounterStore
        let owner: String
        if let mongo {
            store = mongo
            owner = "mongodb"
        } else if let database {
            store = SQLiteStore(database: database, logger: logger)
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
        let embedded = database.map { database in
            // A file that is restored from a copy takes its store with it, unless the store is elsewhere.
            SQLiteBuffer(
                database: database, kind: redis == nil ? "embedded" : "spool", bounds: bounds,
                eventIDs: eventIDs,
                storeIsElsewhere: mongo != nil,
                maximumBytes: redis == nil ? nil : Int64(settings.spoolMaxMegabytes) * 1_000_000)
        }
        if let embedded { buffers.append(embedded) }
        self.buffer = buffers[0]
        let spool = redis == nil ? nil : embedded
        let spoolMaximum = Int64(settings.spoolMaxMegabytes) * 1_000_000
        self.spool = spool
        self.spoolUse = {
            guard let spool else { return SpoolUse(bytes: 0, maximumBytes: 0) }
            return SpoolUse(bytes: try await spool.bytesInUse(), maximumBytes: spoolMaximum)
        }
        self.buffers = buffers
        self.store = store
        self.embeddedPath = database?.path
        self.database = database
        self.redis = redis
        self.mongo = mongo
    }

    /// Without either server the file holds what must not be lost, and has to open; so it has where it is there, since
    /// an earlier configuration or an outage may have left counts in it. Else it is the spool alone.
    private static func openFile(
        _ settings: Settings, opensSpool: Bool, _ logger: Logger
    ) throws -> EmbeddedDatabase? {
        let isNeeded =
            settings.redis == nil || settings.mongoDBURI == nil || EmbeddedDatabase.exists(in: settings.dataDirectory)
        if isNeeded { return try EmbeddedDatabase(directory: settings.dataDirectory) }
        guard opensSpool else { return nil }
        do {
            return try EmbeddedDatabase(directory: settings.dataDirectory)
        } catch {
            logger.log(
                .spoolUnavailable, "there is no spool: while Redis is away, counts will be refused with 503",
                [.reason: "\(error)"])
            return nil
        }
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
    public init(_ url: RedisURL, caFile: String?) throws {
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
