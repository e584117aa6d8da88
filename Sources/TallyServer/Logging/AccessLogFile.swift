#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import Logging
import NIOPosix
import ServiceLifecycle
import Synchronization
import TallyCore

/// Takes lines from event loops and writes them on a thread of its own: a disk that stalls, or a reader of standard
/// output that does, delays no count.
///
/// The file is opened anew for every piece that is written, so that it may be renamed or removed at any time, as
/// logrotate does, without a word to this process.
final class AccessLogFile: Sendable {
    /// Bytes of lines that may wait. Past it lines are dropped, counted and reported.
    static let maximumBytesWaiting = 1 << 20

    /// How long lines gather before they are written.
    private static let gathersMicroseconds: UInt32 = 10_000

    private struct State {
        var waiting: [UInt8] = []
        var isScheduled = false
        var lost = 0
    }

    /// `-` for standard output.
    private let path: String
    private let logger: Logger
    private let state = Mutex(State())
    private let thread: NIOThreadPool
    private let isFinishing = Atomic(false)

    /// - Throws: `StartError` where the file cannot be opened.
    init(path: String, logger: Logger) throws {
        self.path = path
        self.logger = logger
        self.thread = NIOThreadPool(numberOfThreads: 1)
        if path != "-" {
            let file = Self.open(path)
            guard file >= 0 else {
                throw StartError(
                    .configuration,
                    "ACCESS_LOG \(path) cannot be written: \(String(cString: strerror(errno))); let this user write it, or name another file"
                )
            }
            close(file)
        }
        self.thread.start()
    }

    /// Takes whole lines.
    func write(_ lines: [UInt8]) {
        let schedules = self.state.withLock { state in
            guard state.waiting.count + lines.count <= Self.maximumBytesWaiting else {
                state.lost += 1
                return false
            }
            state.waiting += lines
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if schedules { self.thread.submit { _ in self.drain() } }
    }

    /// Writes what waits, and returns when it is written, or nobody reads it. Nothing may come any more.
    func finish() async {
        self.isFinishing.store(true, ordering: .relaxed)
        try? await self.thread.shutdownGracefully()
    }

    private func drain() {
        // For more lines to come, so that they share the opening of the file.
        usleep(Self.gathersMicroseconds)
        let (lines, lost) = self.state.withLock { state in
            defer { state = State() }
            return (state.waiting, state.lost)
        }
        let isWritten =
            self.path == "-"
            ? LogOutput.writeWaiting(lines, unless: { self.isFinishing.load(ordering: .relaxed) })
            : Self.append(lines, to: self.path)
        let reason = isWritten ? "they came faster than they could be written" : String(cString: strerror(errno))
        let missing = lost + (isWritten ? 0 : lines.count { $0 == UInt8(ascii: "\n") })
        guard missing > 0 else { return }
        self.logger.log(
            .accessLogLost, "lines of the access log are lost", [.count: String(missing), .reason: reason])
        // Not more than one such line a second.
        sleep(1)
    }

    private static func append(_ lines: [UInt8], to path: String) -> Bool {
        let file = self.open(path)
        guard file >= 0 else { return false }
        defer { close(file) }
        return writeAll(lines, to: file)
    }

    private static func open(_ path: String) -> Int32 {
        openFile(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }
}

/// `open(2)` under a name that does not meet `AccessLogFile.open`.
private func openFile(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }

/// Writes the last lines when everything else has ended.
struct AccessLogService: Service {
    let file: AccessLogFile?

    func run() async throws {
        try await gracefulShutdown()
        await self.file?.finish()
    }
}
