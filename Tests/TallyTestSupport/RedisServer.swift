public import Foundation
import Synchronization

/// A Redis of one test's own: its own folder, its own port, and no configuration file of the system.
///
/// It is killed when the last reference goes, and at the latest with the test process.
public final class RedisServer: Sendable {
    /// How often Redis syncs its append-only file.
    public enum Fsync: String, Sendable {
        case always
        case everysec
        case off = "no"
    }

    /// Which server: the promises hold for several.
    public enum Program: String, CaseIterable, Sendable {
        /// Debian's, or what `REDIS_SERVER` names.
        case installed
        /// The oldest that is promised.
        case redis62 = "redis-6.2"
        /// Has WAITAOF.
        case valkey91 = "valkey-9.1"

        func find() throws -> String {
            switch self {
            case .installed:
                return try Executable.find(
                    variable: "REDIS_SERVER", candidates: ["redis-server"],
                    advice: "Run the tests with `make test`, which installs it, or run: apt-get install redis-server")
            case .redis62, .valkey91:
                let link = Executable.repository.appendingPathComponent(".tools/\(self.rawValue)").path
                guard let path = Executable.find(link) else {
                    throw TestSupportError(
                        "\(link) was not found. Run the tests with `make test`, which fetches it, or run: "
                            + "Scripts/setup-redis-versions")
                }
                return path
            }
        }
    }

    /// What has been started; changes with every restart.
    private let process = Mutex<ServerProcess?>(nil)
    private let folder: TemporaryDirectory
    private let executable: String
    private let options: [String]
    private let password: String?
    /// Where `command` connects. With TLS this is a second port without it.
    private let plainPort: Int
    private let certificate: SelfSignedCertificate?

    /// The port for the code under test; with `tls` it takes TLS only.
    public let port: Int
    /// Where it was started on one.
    public let disk: FaultyDisk?

    /// Starts a server and waits until it answers.
    ///
    /// - Parameters:
    ///   - program: which server.
    ///   - appendfsync: nil runs it without an append-only file, so that it keeps nothing over a restart.
    ///   - password: what `requirepass` asks for.
    ///   - tls: with a certificate of its own for 127.0.0.1 and localhost; `caFile` trusts it.
    ///   - disk: the kind of faulty disk on which its data lie.
    ///   - extra: further options, `--name value`; they win over those set here.
    /// - Throws: `TestSupportError` where there is no redis-server or it does not start.
    public static func start(
        _ program: Program = .installed, appendfsync: Fsync? = .always, password: String? = nil, tls: Bool = false,
        disk: FaultyDisk.Kind? = nil,
        extra: [String] = []
    ) async throws -> RedisServer {
        let executable = try program.find()
        return try await FreePort.retrying { port in
            let server = try RedisServer(
                executable: executable, port: port, appendfsync: appendfsync, password: password, tls: tls, disk: disk,
                extra: extra)
            try await server.launch()
            return server
        }
    }

    private init(
        executable: String, port: Int, appendfsync: Fsync?, password: String?, tls: Bool, disk: FaultyDisk.Kind?,
        extra: [String]
    ) throws {
        self.executable = executable
        self.port = port
        self.password = password
        self.folder = try TemporaryDirectory("redis")
        let data = self.folder.url.appendingPathComponent("data")
        try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
        self.disk = try disk.map { try FaultyDisk($0, below: data) }
        var options = [
            "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no",
            "--dir", data.path,
            "--appendonly", appendfsync == nil ? "no" : "yes", "--appendfsync", (appendfsync ?? .off).rawValue,
        ]
        if let password { options += ["--requirepass", password] }
        if tls {
            let certificate = try SelfSignedCertificate(in: self.folder.url)
            self.certificate = certificate
            self.plainPort = try FreePort.next()
            options += [
                "--tls-port", String(port), "--tls-cert-file", certificate.certificateFile.path,
                "--tls-key-file", certificate.keyFile.path, "--tls-ca-cert-file", certificate.certificateFile.path,
                "--tls-auth-clients", "no",
            ]
        } else {
            self.certificate = nil
            self.plainPort = port
        }
        options += ["--port", String(self.plainPort)]
        self.options = options + extra
    }

    /// `redis://127.0.0.1:6379`, or `rediss://localhost:…`, with the password where there is one.
    public var url: String { self.url(port: self.port) }

    /// The same with another port, such as that of a `TCPProxy`.
    public func url(port: Int) -> String {
        let user =
            self.password.map { ":\($0.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? $0)@" } ?? ""
        return "\(self.certificate == nil ? "redis" : "rediss")://\(user)127.0.0.1:\(port)"
    }

    /// What a client must trust to reach a server with TLS.
    public var caFile: URL? { self.certificate?.certificateFile }

    /// Where it keeps its data.
    public var directory: URL { self.folder.url.appendingPathComponent("data") }

    public var log: String { self.running?.log ?? "" }

    public var isRunning: Bool { self.running?.isRunning ?? false }

    public var pid: Int32? { self.running?.pid }

    private var running: ServerProcess? { self.process.withLock { $0 } }

    // MARK: Life

    /// As a loss of power would end it (but for what the kernel has not written to the disk yet).
    public func kill() async throws { try await self.end(SIGKILL) }

    /// As an administrator would stop it.
    public func terminate() async throws { try await self.end(SIGTERM) }

    /// Starts it again with the same folder and port; kills it first where it still runs.
    public func restart() async throws {
        if self.isRunning { try await self.kill() }
        try await self.launch()
    }

    /// Freezes it: connections stay open, nothing is answered.
    public func pause() { self.running?.kill(SIGSTOP) }

    public func resume() { self.running?.kill(SIGCONT) }

    private func end(_ signal: Int32) async throws {
        guard let process = self.running else { return }
        process.kill(signal)
        // A frozen process takes only SIGKILL at once.
        process.kill(SIGCONT)
        try await process.waitUntilExit()
    }

    private func launch() async throws {
        let process = try await ServerProcess.start(
            self.executable, self.options,
            environment: ProcessInfo.processInfo.environment.merging(self.disk?.environment ?? [:]) { $1 },
            logFile: self.folder.url.appendingPathComponent("redis.log"))
        self.process.withLock { $0 = process }
        // Accepting is not answering (while it loads its data it says LOADING), and somebody else may answer there.
        try await process.wait("Redis to answer on port \(self.plainPort)") {
            let info = try await self.command(["INFO", "server"], within: .seconds(2)).text ?? ""
            guard info.contains("process_id:\(process.pid)\r\n") else { return false }
            return try await self.command(["PING"], within: .seconds(2)) == .string(Array("PONG".utf8))
        }
        if self.plainPort != self.port { try await process.waitUntilListening(on: self.port) }
    }

    // MARK: Data

    /// Copies the data as it lies on the disk, as a backup would. The copy goes with its last reference.
    public func snapshotData() throws -> TemporaryDirectory {
        let copy = try TemporaryDirectory("redis-copy")
        try FileManager.default.copyItem(at: self.directory, to: copy.url.appendingPathComponent("data"))
        return copy
    }

    /// Puts a copy in the place of the data. The server must have been stopped; `restart` it afterwards.
    /// - Throws: `TestSupportError` where it runs.
    public func restoreData(from copy: TemporaryDirectory) throws {
        guard !self.isRunning else { throw TestSupportError("stop Redis before its data are replaced") }
        try FileManager.default.removeItem(at: self.directory)
        try FileManager.default.copyItem(at: copy.url.appendingPathComponent("data"), to: self.directory)
    }

    /// Takes over another server's data by replication, as a master that had been left behind does, and is its own master
    /// again. Connections stand through all of it.
    public func takeOver(dataOf other: RedisServer) async throws {
        try await self.command(["REPLICAOF", "127.0.0.1", String(other.port)])
        try await eventually(within: .seconds(60), "the data to be taken over", log: { self.log }) {
            let info = try await self.command(["INFO", "replication"]).text ?? ""
            return info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0")
        }
        try await self.command(["REPLICAOF", "NO", "ONE"])
    }

    /// The file to which Redis appends now, for tests that tear its end off. Nil without an append-only file.
    public var appendOnlyFile: URL? {
        let folder = self.directory.appendingPathComponent("appendonlydir")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        // appendonly.aof.<number>.incr.aof; the highest number is the one in use.
        let files = names.filter { $0.hasSuffix(".incr.aof") }
        let newest = files.max {
            (Int($0.split(separator: ".").dropFirst(2).first ?? "") ?? 0)
                < (Int($1.split(separator: ".").dropFirst(2).first ?? "") ?? 0)
        }
        return newest.map { folder.appendingPathComponent($0) }
    }

    // MARK: Commands

    /// Sends one command on a connection of its own.
    /// - Throws: where it cannot be reached or does not answer in time. An error that Redis answers with is a reply.
    @discardableResult
    public func command(_ words: [String], within limit: Duration = .seconds(10)) async throws -> RedisReply {
        try await self.command(words.map { Array($0.utf8) }, within: limit)
    }

    /// The same with words that are bytes.
    @discardableResult
    public func command(_ words: [[UInt8]], within limit: Duration = .seconds(10)) async throws -> RedisReply {
        try await self.commands([words], within: limit).last ?? .null
    }

    /// Sends several commands on one connection, one after the other's reply, and gives the replies.
    public func commands(_ commands: [[[UInt8]]], within limit: Duration = .seconds(10)) async throws -> [RedisReply] {
        let connection = try await ByteConnection.connect(port: self.plainPort, within: limit)
        let entry = self.password.map { [[Array("AUTH".utf8), Array($0.utf8)]] } ?? []
        var replies: [RedisReply] = []
        for command in entry + commands {
            try await connection.send(RedisReply.encode(command))
            replies.append(try await connection.receive(within: limit) { try RedisReply.decode(&$0) })
        }
        await connection.close()
        return Array(replies.dropFirst(entry.count))
    }
}
