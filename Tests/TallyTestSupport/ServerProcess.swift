public import Foundation
import NIOPosix
import Synchronization

/// A program that runs beside the tests, with its output in a file.
///
/// It dies with the test process, however that ends: on Linux `setpriv --pdeathsig` has the kernel kill it. It is also
/// killed when the last reference goes.
public final class ServerProcess: Sendable {
    /// How a program ended.
    public enum Exit: Sendable, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    public let executable: String
    public let arguments: [String]
    /// Standard output and standard error; later starts append to it.
    public let logFile: URL
    private let child: Child

    public var pid: Int32 { self.child.pid }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - executable: a path, or a name that is looked up on the PATH.
    ///   - environment: the whole environment; nil passes on that of the tests.
    ///   - directory: where it works; nil is where the tests work.
    /// - Throws: `TestSupportError` where it cannot be started.
    public static func start(
        _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil, directory: URL? = nil,
        logFile: URL
    ) async throws -> ServerProcess {
        guard let path = Executable.find(executable) else {
            throw TestSupportError(
                "there is no program \(executable); is its package installed? `make test` sees to it")
        }
        let spawn = Spawn(
            path: path, arguments: arguments, environment: environment ?? ProcessInfo.processInfo.environment,
            directory: directory, logFile: logFile)
        // The kernel sends the parent-death signal when the *thread* ends that started the child, and threads of the
        // concurrency pool come and go. Hence one thread that stays.
        let child = try await Self.spawner.runIfActive { try spawn.run() }
        AtExit.end(child)
        ServerLogs.started?.add(logFile)
        return ServerProcess(executable: path, arguments: arguments, logFile: logFile, child: child)
    }

    private static let spawner: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        return pool
    }()

    private init(executable: String, arguments: [String], logFile: URL, child: Child) {
        self.executable = executable
        self.arguments = arguments
        self.logFile = logFile
        self.child = child
    }

    deinit {
        self.child.killAndReap()
        AtExit.forget(self.child)
    }

    public var isRunning: Bool { self.child.exit == nil }

    /// Sends a signal, such as `SIGTERM`; does nothing where the program has ended.
    public func kill(_ signal: Int32 = SIGKILL) { self.child.send(signal) }

    /// How it ended.
    /// - Throws: `TestSupportError` where it has not ended within `limit`.
    @discardableResult
    public func waitUntilExit(within limit: Duration = .seconds(30)) async throws -> Exit {
        try await eventually(within: limit, "\(self.executable) to end", log: { self.logTail }) {
            self.child.exit != nil
        }
        guard let exit = self.child.exit else { throw TestSupportError("\(self.executable) has not ended") }
        return exit
    }

    /// Everything it has written.
    public var log: String {
        guard let data = try? Data(contentsOf: self.logFile) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// The last 40 lines that it has written.
    public var logTail: String {
        self.log.split(separator: "\n", omittingEmptySubsequences: false).suffix(40).joined(separator: "\n")
    }

    /// Waits until something listens on a port of this machine.
    /// - Throws: `TestSupportError` where nothing does, at once where the program has ended.
    public func waitUntilListening(on port: Int, within limit: Duration = .seconds(20)) async throws {
        try await self.wait(within: limit, "\(self.executable) to listen on port \(port)") {
            (try? await ByteConnection.canConnect(port: port)) == true
        }
    }

    /// Waits until a text stands in the log.
    /// - Throws: `TestSupportError` where it does not come, at once where the program has ended without it.
    public func waitUntilLogged(_ text: String, within limit: Duration = .seconds(20)) async throws {
        try await self.wait(within: limit, "\(self.executable) to log \"\(text)\"") { self.log.contains(text) }
    }

    /// Waits for a condition, and not longer than the program lives.
    public func wait(
        within limit: Duration = .seconds(20), _ what: String, condition: () async throws -> Bool
    ) async throws {
        var ended: Exit?
        try await eventually(within: limit, what, log: { self.logTail }) {
            // Looked at first: what it did before it ended still counts.
            ended = self.child.exit
            do {
                if try await condition() {
                    ended = nil
                    return true
                }
            } catch  where ended != nil {
                // The error is that of somebody who finds nobody there.
            }
            return ended != nil
        }
        if let ended {
            throw TestSupportError(
                "waited for \(what), but it ended (\(ended))\n--- end of the log ---\n\(self.logTail)")
        }
    }
}

extension ServerProcess {
    /// A child, reaped once. Signals go out under the same lock, so none can reach a stranger with a reused number.
    final class Child: Sendable {
        let pid: pid_t
        private let reaped = Mutex<Exit?>(nil)

        init(pid: pid_t) { self.pid = pid }

        var exit: Exit? { self.reaped.withLock { self.reap(&$0, WNOHANG) } }

        func send(_ signal: Int32) {
            self.reaped.withLock {
                if self.reap(&$0, WNOHANG) == nil { _ = Foundation.kill(self.pid, signal) }
            }
        }

        func killAndReap() {
            self.reaped.withLock {
                guard self.reap(&$0, WNOHANG) == nil else { return }
                _ = Foundation.kill(self.pid, SIGKILL)
                _ = self.reap(&$0, 0)
            }
        }

        private func reap(_ exit: inout Exit?, _ options: Int32) -> Exit? {
            if exit != nil { return exit }
            var status: Int32 = 0
            var result: pid_t
            repeat { result = waitpid(self.pid, &status, options) } while result < 0 && errno == EINTR
            guard result != 0 else { return nil }
            // The layout of a wait status, as <sys/wait.h> has it in macros: signal in the low 7 bits, code above 8.
            if result < 0 {
                exit = .code(-1)
            } else if status & 0x7F == 0 {
                exit = .code((status >> 8) & 0xFF)
            } else {
                exit = .signal(status & 0x7F)
            }
            return exit
        }
    }

    /// One start of a program, by posix_spawn(3).
    fileprivate struct Spawn: Sendable {
        let path: String
        let arguments: [String]
        let environment: [String: String]
        let directory: URL?
        let logFile: URL

        /// With a folder to work in, by way of a shell that goes there and then becomes the program: same process.
        private var command: [String] {
            guard let directory else { return [self.path] + self.arguments }
            return ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, directory.path, self.path] + self.arguments
        }

        func run() throws -> Child {
            #if os(Linux)
            guard let setpriv = Executable.find("setpriv") else {
                throw TestSupportError("there is no setpriv; install it: apt-get install util-linux")
            }
            let program = setpriv
            let words = ["setpriv", "--pdeathsig", "KILL", "--"] + self.command
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
            #else
            let program = self.command[0]
            let words = self.command
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
            #endif
            posix_spawn_file_actions_init(&actions)
            posix_spawnattr_init(&attributes)
            defer {
                posix_spawn_file_actions_destroy(&actions)
                posix_spawnattr_destroy(&attributes)
            }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, 1, self.logFile.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
            // Files that some library has open without O_CLOEXEC are none of the program's business.
            for name in (try? FileManager.default.contentsOfDirectory(atPath: "/dev/fd")) ?? [] {
                if let descriptor = Int32(name), descriptor > 2 {
                    posix_spawn_file_actions_addclose(&actions, descriptor)
                }
            }
            // A group of its own, so that an interrupt at the terminal reaches the tests first; and no signal blocked
            // or ignored that this thread happens to block or ignore.
            var none = sigset_t()
            sigemptyset(&none)
            var usual = sigset_t()
            sigemptyset(&usual)
            for signal in [SIGPIPE, SIGTERM, SIGINT, SIGHUP] { sigaddset(&usual, signal) }
            posix_spawnattr_setsigmask(&attributes, &none)
            posix_spawnattr_setsigdefault(&attributes, &usual)
            posix_spawnattr_setpgroup(&attributes, 0)
            posix_spawnattr_setflags(
                &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

            var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
            var envp: [UnsafeMutablePointer<CChar>?] = self.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
            defer { for pointer in argv + envp { free(pointer) } }
            var pid: pid_t = 0
            let code = posix_spawn(&pid, program, &actions, &attributes, &argv, &envp)
            guard code == 0 else {
                throw TestSupportError("cannot start \(self.path): \(String(cString: strerror(code)))")
            }
            return Child(pid: pid)
        }
    }
}
