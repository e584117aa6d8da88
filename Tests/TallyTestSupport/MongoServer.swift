public import Foundation
import Synchronization

/// A real MongoDB of the tests' own: its own folder and port.
///
/// A test that only stores and reads takes `shared()` and a database of its own, since a start costs about a second;
/// one that kills or freezes the server starts its own. It is killed when the last reference goes, and at the latest
/// with the test process.
public final class MongoServer: Sendable {
    private let process = Mutex<ServerProcess?>(nil)
    private let databases = Mutex(0)
    private let folder: TemporaryDirectory
    private let executable: String
    private let extra: [String]
    private let role: Role

    enum Role {
        case standalone
        /// The only member of a replica set.
        case alone
        /// One of several members (`MongoReplicaSet`).
        case member
    }

    public let port: Int

    /// Starts a server and waits until it takes writes.
    ///
    /// - Parameters:
    ///   - replicaSet: as the only member of a replica set `tally-test`, for `w: majority` and elections.
    ///   - extra: further options, such as `["--setParameter", "enableTestCommands=1"]` for fail points.
    /// - Throws: `TestSupportError` where there is no mongod or it does not start.
    public static func start(replicaSet: Bool = false, extra: [String] = []) async throws -> MongoServer {
        try await self.start(replicaSet ? .alone : .standalone, extra: extra)
    }

    static func start(_ role: Role, extra: [String] = []) async throws -> MongoServer {
        let executable = try Executable.find(
            variable: "MONGOD",
            candidates: ["mongod", Executable.repository.appendingPathComponent(".tools/mongod").path],
            advice: "Run the tests with `make test`, which fetches one, or set MONGOD to the path of a mongod.")
        return try await FreePort.retrying { port in
            let server = try MongoServer(executable: executable, port: port, role: role, extra: extra)
            try await server.launch()
            if role == .alone { try await server.initiate() }
            return server
        }
    }

    /// The one server that tests share, a replica set of one member; started by the first that asks, and never to be killed or frozen.
    /// Use it with `uniqueDatabase()`.
    public static func shared() async throws -> MongoServer { try await self.sharedStart.value }

    private static let sharedStart = Task { try await MongoServer.start(replicaSet: true) }

    private init(executable: String, port: Int, role: Role, extra: [String]) throws {
        self.executable = executable
        self.port = port
        self.role = role
        self.extra = extra
        self.folder = try TemporaryDirectory("mongo")
        try FileManager.default.createDirectory(at: self.directory, withIntermediateDirectories: true)
    }

    /// A connection string.
    ///
    /// - Parameters:
    ///   - database: its path.
    ///   - port: another port, such as that of a `TCPProxy`.
    ///   - options: further options, `name=value` joined by `&`.
    public func uri(database: String, port: Int? = nil, options: String = "") -> String {
        // A direct connection, since discovery would lead around a proxy.
        "mongodb://127.0.0.1:\(port ?? self.port)/\(database)?directConnection=true"
            + (options.isEmpty ? "" : "&\(options)")
    }

    /// A database name that no other test of this server has.
    public func uniqueDatabase(_ name: String = "test") -> String {
        self.databases.withLock {
            $0 += 1
            return "\(name)-\($0)"
        }
    }

    public var directory: URL { self.folder.url.appendingPathComponent("data") }

    public var log: String { self.running?.log ?? "" }

    public var isRunning: Bool { self.running?.isRunning ?? false }

    public var pid: Int32? { self.running?.pid }

    private var running: ServerProcess? { self.process.withLock { $0 } }

    private var wire: MongoWire { MongoWire(port: self.port) }

    // MARK: Life

    /// As a loss of power would end it (but for what the kernel has not written to the disk yet).
    public func kill() async throws { try await self.end(SIGKILL) }

    /// As an administrator would stop it.
    public func terminate() async throws { try await self.end(SIGTERM) }

    /// Starts it again with the same folder and port, and waits until it takes writes (as one of several members: until it
    /// answers); kills it first where it still runs.
    public func restart() async throws {
        if self.isRunning { try await self.kill() }
        try await self.launch()
        if self.role == .alone { try await self.waitForPrimary() }
    }

    /// Freezes it: connections stay open, nothing is answered.
    public func pause() { self.running?.kill(SIGSTOP) }

    public func resume() { self.running?.kill(SIGCONT) }

    private func end(_ signal: Int32) async throws {
        guard let process = self.running else { return }
        process.kill(signal)
        process.kill(SIGCONT)
        try await process.waitUntilExit()
    }

    private func launch() async throws {
        var arguments = [
            "--bind_ip", "127.0.0.1", "--port", String(self.port), "--dbpath", self.directory.path, "--nounixsocket",
            "--wiredTigerCacheSizeGB", "0.25",
            // Its own measurements are of no use here, and a stop need not wait for clients to leave.
            "--setParameter", "diagnosticDataCollectionEnabled=false",
            "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
        ]
        if self.role != .standalone { arguments += ["--replSet", Self.replicaSetName, "--oplogSize", "64"] }
        let process = try await ServerProcess.start(
            self.executable, arguments + self.extra, logFile: self.folder.url.appendingPathComponent("mongod.log"))
        self.process.withLock { $0 = process }
        try await process.wait(within: .seconds(120), "MongoDB to answer on port \(self.port)") {
            let status = try await self.command(["serverStatus": 1], database: "admin")
            return status["pid"]?.integer == Int64(process.pid)
        }
    }

    // MARK: Replica set

    static let replicaSetName = "tally-test"

    private func initiate() async throws {
        try await self.command(
            [
                "replSetInitiate": [
                    "_id": .string(Self.replicaSetName),
                    "members": [["_id": 0, "host": .string("127.0.0.1:\(self.port)")]],
                ]
            ], database: "admin")
        try await self.waitForPrimary()
    }

    private func waitForPrimary() async throws {
        guard let process = self.running else { return }
        try await process.wait(within: .seconds(40), "MongoDB to become primary") { try await self.isPrimary() }
    }

    /// Whether it says of itself that it takes writes.
    func isPrimary(within limit: Duration = .seconds(20)) async throws -> Bool {
        try await self.hello(within: limit)["isWritablePrimary"] == true
    }

    /// What it says of itself and its set.
    func hello(within limit: Duration) async throws -> BSONDocument {
        try await self.wire.command(["hello": 1], database: "admin", within: limit)
    }

    // MARK: Looking inside

    /// Sends one command, such as `["count": "acme"]`, on a connection of its own.
    /// - Throws: where MongoDB cannot be reached, or answers with `ok: 0`.
    @discardableResult
    public func command(_ command: BSONDocument, database: String) async throws -> BSONDocument {
        try await self.wire.command(command, database: database)
    }

    /// All documents of a collection, in the order of their `_id`.
    public func documents(
        database: String, collection: String, filter: BSONDocument = [:]
    ) async throws -> [BSONDocument] {
        try await self.wire.find(filter, database: database, collection: collection)
    }

    /// The names of all collections, sorted.
    public func collections(database: String) async throws -> [String] {
        // A cursor's first batch holds 101 names, so more are asked for.
        let reply = try await self.command(
            ["listCollections": 1, "nameOnly": true, "cursor": ["batchSize": 100_000]], database: database)
        return (reply["cursor", "firstBatch"]?.array ?? []).compactMap { $0.document?["name"]?.string }.sorted()
    }

    /// Removes everything that matches.
    public func delete(database: String, collection: String, filter: BSONDocument = [:]) async throws {
        try await self.command(
            [
                "delete": .string(collection),
                "deletes": [["q": .document(filter), "limit": 0]],
            ], database: database)
    }

    /// Inserts documents as they are.
    public func insert(_ documents: [BSONDocument], database: String, collection: String) async throws {
        let reply = try await self.command(
            ["insert": .string(collection), "documents": .array(documents.map { .document($0) })], database: database)
        if let errors = reply["writeErrors"] { throw TestSupportError("MongoDB did not insert: \(errors)") }
    }
}
