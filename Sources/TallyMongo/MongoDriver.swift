import CMongoc
import Logging
import NIOPosix
import Synchronization
import TallyCore

/// The MongoDB C driver (libmongoc 1.23): a pool of connections, and the threads that wait for its answers.
///
/// `mongoc_client_pool_t` blocks, so every call runs on a thread pool of its own, of `threads` threads, never on an
/// event loop or on a thread of Swift's concurrency. What is asked while all of them are busy waits in the pool's
/// queue; `MongoStore` asks for at most `threads` things at a time for each of its callers.
final class MongoDriver: Sendable {
    /// How many commands are under way at once, at most.
    static let threads = 4
    /// How long a write waits for the majority of the members, in milliseconds.
    static let writeTimeoutMilliseconds: Int32 = 10_000

    /// The hosts of the connection string, for logs and errors.
    let hosts: String
    let database: String

    private let logger: Logger
    private let pool: ClientPool
    private let workers: NIOThreadPool

    /// Makes the pool and starts its monitors; connects to nothing yet. A `mongodb+srv://` address is looked up in the
    /// DNS, which blocks.
    /// - Throws: `StoreError`, where the connection string is not one.
    init(uri text: String, name: String = "MONGODB_URI", logger: Logger) throws(StoreError) {
        DriverLog.start(fallback: logger)
        let uri = try DriverLog.collected(to: logger) { () throws(StoreError) in
            try MongoURI(text, name: name, logger: logger)
        }
        self.hosts = uri.hosts
        self.database = uri.database
        self.logger = logger
        do throws(MongoError) {
            self.pool = try DriverLog.collected(to: logger) { () throws(MongoError) in try ClientPool(uri) }
        } catch {
            throw error.storeError(hosts: uri.hosts)
        }
        self.workers = NIOThreadPool(numberOfThreads: Self.threads)
        self.workers.start()
    }

    /// Runs `body` on a thread that may block, with a connection of its own.
    /// - Throws: `StoreError`; also after `shutdown`.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing MongoConnection) throws(MongoError) -> Value
    ) async throws(StoreError) -> Value {
        let result: Result<Value, MongoError>
        do {
            result = try await self.workers.runIfActive { [pool, logger, database] in
                // Counts come before reading and flushing. Said each time, since a pool's threads have no beginning.
                BackgroundPriority.takeForThisThread()
                return DriverLog.collected(to: logger) {
                    Result { () throws(MongoError) in
                        let connection = try MongoConnection(pool, database: database)
                        return try body(connection)
                    }
                }
            }
        } catch {
            throw StoreError(.unavailable, "MongoDB at \(self.hosts): the connection has been shut down.")
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw error.storeError(hosts: self.hosts)
        }
    }

    /// Waits for what is under way and ends the threads.
    func shutdown() async { try? await self.workers.shutdownGracefully() }

    /// The text of an error of the driver's.
    static func message(_ error: bson_error_t) -> String {
        withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Owns the driver's pool.
///
/// @unchecked Sendable: `mongoc_client_pool_t` is the driver's thread-safe type
/// (http://mongoc.org/libmongoc/1.23.1/mongoc_client_pool_t.html), and the pointer never changes.
private final class ClientPool: @unchecked Sendable {
    let pointer: OpaquePointer
    let retriesWrites: Bool

    init(_ uri: MongoURI) throws(MongoError) {
        var error = bson_error_t()
        guard let pointer = mongoc_client_pool_new_with_error(uri.pointer, &error) else {
            throw MongoError(error, labels: [], attempted: "prepare connections")
        }
        self.pointer = pointer
        self.retriesWrites = uri.retriesWrites
        // Version 2 tells the server's error numbers from the driver's.
        mongoc_client_pool_set_error_api(pointer, MONGOC_ERROR_API_VERSION_2)
    }

    deinit { mongoc_client_pool_destroy(self.pointer) }
}

/// One connection, taken from the pool and given back at the end. Every method blocks.
struct MongoConnection: ~Copyable {
    private let client: OpaquePointer
    private let pool: ClientPool
    private let database: String

    fileprivate init(_ pool: ClientPool, database: String) throws(MongoError) {
        guard let client = mongoc_client_pool_pop(pool.pointer) else {
            throw MongoError(.connection, code: 0, message: "no connection became free", attempted: "take a connection")
        }
        self.client = client
        self.pool = pool
        self.database = database
    }

    deinit { mongoc_client_pool_push(self.pool.pointer, self.client) }

    /// Sends a write command to the primary and waits until a majority of the members have it in their journals. Where
    /// the connection breaks or the primary steps down, sends it once more: so it must be one that does no harm twice,
    /// as all of tally's are.
    /// - Parameter attempted: what the command does, to follow "could not".
    /// - Returns: the reply. Single statements may have failed: `WriteReply`.
    func write(_ command: BSONDocument, attempted: String) throws(MongoError) -> BSONDocument {
        do throws(MongoError) {
            return try self.send(command, isWrite: true, options: Self.acknowledged, attempted: attempted)
        } catch {
            guard self.pool.retriesWrites, error.isWorthASecondAttempt else { throw error }
            return try self.send(command, isWrite: true, options: Self.acknowledged, attempted: attempted)
        }
    }

    /// Sends one update statement.
    /// - Parameter statement: writes `q`, `u` and, where wanted, `upsert`.
    /// - Returns: how many documents it found, or inserted. A duplicate key counts as none.
    func update(
        _ collection: String, attempted: String, statement: (inout BSONWriter) -> Void
    ) throws(MongoError) -> Int64 {
        let command = BSONWriter.document {
            $0.string("update", collection)
            $0.array("updates") { $0.document(statement) }
        }
        let reply = try WriteReply(try self.write(command, attempted: attempted), attempted: attempted)
        if let fault = reply.faults.first(where: { !$0.isDuplicateKey }) {
            throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
        }
        return reply.count
    }

    /// Sends any other command to the primary.
    func command(_ command: BSONDocument, attempted: String) throws(MongoError) -> BSONDocument {
        try self.send(command, isWrite: false, options: .empty, attempted: attempted)
    }

    /// Runs an aggregation on the primary, over what a majority of the members have.
    /// - Parameter stages: writes the stages of the pipeline.
    func aggregate(
        _ collection: String, attempted: String, stages: (inout BSONWriter) -> Void
    ) throws(MongoError) -> [BSONDocument] {
        let pipeline = BSONWriter.document { $0.array("pipeline", stages) }
        let collection = mongoc_client_get_collection(self.client, self.database, collection)
        defer { mongoc_collection_destroy(collection) }
        let opened = pipeline.withBytes { pipeline in
            Self.ofMajority.withBytes { options in
                tally_mongoc_aggregate(
                    collection, pipeline.baseAddress, pipeline.count, options.baseAddress, options.count)
            }
        }
        guard let cursor = opened else {
            throw MongoError(.driver, code: 0, message: "the pipeline is not valid BSON", attempted: attempted)
        }
        defer { mongoc_cursor_destroy(cursor) }
        var documents: [BSONDocument] = []
        var length: UInt32 = 0
        while let bytes = tally_mongoc_cursor_next(cursor, &length) {
            documents.append(BSONDocument(bytes: Array(UnsafeBufferPointer(start: bytes, count: Int(length)))[...]))
        }
        var error = bson_error_t()
        if mongoc_cursor_error(cursor, &error) { throw MongoError(error, labels: [], attempted: attempted) }
        return documents
    }

    /// The names of the database's collections, in no particular order.
    func collectionNames() throws(MongoError) -> [String] {
        let database = mongoc_client_get_database(self.client, self.database)
        defer { mongoc_database_destroy(database) }
        var error = bson_error_t()
        guard let names = mongoc_database_get_collection_names_with_opts(database, nil, &error) else {
            throw MongoError(error, labels: [], attempted: "list the collections")
        }
        defer { bson_strfreev(names) }
        var next = names
        var result: [String] = []
        while let name = next.pointee {
            result.append(String(cString: name))
            next += 1
        }
        return result
    }

    private func send(
        _ command: BSONDocument, isWrite: Bool, options: BSONDocument, attempted: String
    ) throws(MongoError) -> BSONDocument {
        var replyBytes: UnsafeMutablePointer<UInt8>?
        var replyLength: UInt32 = 0
        var error = bson_error_t()
        let done = command.withBytes { command in
            options.withBytes { options in
                tally_mongoc_command(
                    self.client, self.database, isWrite, command.baseAddress, command.count, options.baseAddress,
                    options.count, &replyBytes, &replyLength, &error)
            }
        }
        defer { bson_free(replyBytes) }
        let reply =
            replyBytes.map { BSONDocument(bytes: Array(UnsafeBufferPointer(start: $0, count: Int(replyLength)))[...]) }
            ?? .empty
        guard done else { throw MongoError(error, labels: WriteReply.labels(of: reply), attempted: attempted) }
        return reply
    }

    private static let acknowledged = BSONWriter.document {
        $0.document("writeConcern") {
            $0.string("w", "majority")
            $0.bool("j", true)
            $0.int32("wtimeout", MongoDriver.writeTimeoutMilliseconds)
        }
    }

    /// With room for what a piece of a batch touches in one reply, where the server would send 101 documents first.
    private static let ofMajority = BSONWriter.document {
        $0.document("readConcern") { $0.string("level", "majority") }
        $0.int32("batchSize", 1_000)
    }
}

extension BSONDocument {
    fileprivate func withBytes<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
        self.bytes.withUnsafeBufferPointer(body)
    }
}

extension MongoError {
    fileprivate init(_ error: bson_error_t, labels: [String], attempted: String) {
        let domain: Domain =
            switch error.domain {
            case MONGOC_ERROR_SERVER_SELECTION.rawValue: .serverSelection
            case MONGOC_ERROR_STREAM.rawValue: .connection
            case MONGOC_ERROR_CLIENT.rawValue where error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE.rawValue:
                .authentication
            case MONGOC_ERROR_SCRAM.rawValue, MONGOC_ERROR_SASL.rawValue: .authentication
            case MONGOC_ERROR_SERVER.rawValue: .server
            case MONGOC_ERROR_WRITE_CONCERN.rawValue: .writeConcern
            default: .driver
            }
        self.init(
            domain, code: Int32(truncatingIfNeeded: error.code), message: MongoDriver.message(error), labels: labels,
            attempted: attempted)
    }
}

/// Leads the driver's own log, which would go to standard error in a format of its own, into swift-log.
private enum DriverLog {
    /// What is running on this thread reports here.
    @TaskLocal private static var current: Logger?
    /// The driver's monitors run on threads of its own, which belong to no store: they report where the latest does.
    private static let fallback = Mutex<Logger?>(nil)

    /// Starts the driver, once in the life of the process, and sets where its monitors report.
    static func start(fallback logger: Logger) {
        self.fallback.withLock { $0 = logger }
        _ = self.started
    }

    static func collected<Value, Failure: Error>(
        to logger: Logger, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = self.$current.withValue(logger) {
            Result { () throws(Failure) in try body() }
        }
        return try result.get()
    }

    private static let started: Void = {
        mongoc_log_set_handler(
            { level, domain, message, _ in
                guard let message else { return }
                DriverLog.take(level, domain.map { String(cString: $0) } ?? "", String(cString: message))
            }, nil)
        mongoc_init()
    }()

    private static func take(_ level: mongoc_log_level_t, _ domain: String, _ message: String) {
        guard let logger = self.current ?? self.fallback.withLock({ $0 }) else { return }
        let ours: Logger.Level =
            switch level {
            case MONGOC_LOG_LEVEL_ERROR, MONGOC_LOG_LEVEL_CRITICAL: .error
            case MONGOC_LOG_LEVEL_WARNING: .warning
            case MONGOC_LOG_LEVEL_MESSAGE, MONGOC_LOG_LEVEL_INFO: .info
            case MONGOC_LOG_LEVEL_DEBUG: .debug
            default: .trace
            }
        logger.log(.mongoDBDriver, "MongoDB driver: \(message)", level: ours, [.domain: domain])
    }
}
