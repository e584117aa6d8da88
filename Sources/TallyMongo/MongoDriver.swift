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
    private let pool: PoolOnDemand
    private let workers: NIOThreadPool

    /// Reads the connection string; the pool is made when it is needed first.
    /// - Throws: `StoreError`, with the code `configuration` where the connection string is not one.
    init(uri text: String, name: String = "MONGODB_URI", logger: Logger) throws(StoreError) {
        DriverLog.start(fallback: logger)
        let uri = try DriverLog.collected(to: logger) { () throws(StoreError) in
            try MongoURI(text, name: name, logger: logger)
        }
        self.hosts = uri.hosts
        self.database = uri.database
        self.logger = logger
        self.pool = PoolOnDemand(uri)
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
                        let connection = try MongoConnection(pool.get(), database: database)
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

/// Makes the driver's pool when it is asked for first, and until that has succeeded once each time again: a
/// `mongodb+srv://` address is looked up in the DNS then, which may be away at the start and back later.
private final class PoolOnDemand: Sendable {
    private enum State {
        case none(MongoURI)
        case made(ClientPool)
    }

    private let state: Mutex<State>

    init(_ uri: sending MongoURI) { self.state = Mutex(.none(uri)) }

    /// Blocks while the address is looked up; whoever asks meanwhile waits for that, too.
    func get() throws(MongoError) -> ClientPool {
        try self.state.withLock { state throws(MongoError) in
            switch state {
            case .made(let pool): return pool
            case .none(let uri):
                let pool = try ClientPool(uri)
                state = .made(pool)
                return pool
            }
        }
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
            throw MongoError(error, labels: [], attempted: "find its servers")
        }
        self.pointer = pointer
        self.retriesWrites = uri.retriesWrites
        // Version 2 tells the server's error numbers from the driver's.
        mongoc_client_pool_set_error_api(pointer, MONGOC_ERROR_API_VERSION_2)
    }

    deinit { mongoc_client_pool_destroy(self.pointer) }
}
