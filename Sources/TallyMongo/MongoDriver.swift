import CMongoc
import Logging
import NIOPosix
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
final class ClientPool: @unchecked Sendable {
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
