import ArgumentParser
import Logging
import NIOCore
import NIOPosix
import TallyConfig
import TallyCore
import TallyFlush
import TallyServer
import Synchronization

struct Flush: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move what is counted into the store now, and say what moved.",
        discussion: """
            Beside a service that runs, too: two flushes at once count nothing twice.

            Example:
              tally flush --redis-url redis://127.0.0.1:6379 --mongodb-uri mongodb://127.0.0.1:27017/tally
            """)

    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            let settings = try self.options.load()
            var logger = Logger(settings)
            logger.logLevel = max(logger.logLevel, .warning)
            let storage = try Storage(
                settings, opensSpool: false, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
            let flusher = Flusher(buffers: storage.buffers, store: storage.store, logger: logger, now: Timestamp.now)
            let progress = ProgressLine()
            do {
                // A service beside this one may hold the lock for a moment; what was asked for is a flush, so it waits.
                var report = try await flusher.flush(isUrgent: true) { progress.show($0) }
                while !report.skippedBuffers.isEmpty {
                    try await Task.sleep(for: .milliseconds(200))
                    report = try await flusher.flush(isUrgent: true) { progress.show($0) }
                }
                progress.end()
                print(report.batches == 0 ? "nothing to move" : report.summary)
            } catch {
                progress.end()
                await storage.shutdown()
                throw error
            }
            await storage.shutdown()
        }
    }
}

/// Says how far a flush has come, once it has taken a second.
private final class ProgressLine: Sendable {
    private let began = ContinuousClock.now
    private let shown = Mutex(false)

    func show(_ progress: FlushProgress) {
        guard ContinuousClock.now - self.began > .seconds(1) else { return }
        let line = "\(progress.buffer): \(progress.done) of \(progress.of) batches, \(progress.report.total) counts"
        self.shown.withLock { shown in
            if outputIsTerminal {
                print("\r\(line)", terminator: "")
                shown = true
            } else {
                printError(line)
            }
        }
    }

    func end() {
        self.shown.withLock { shown in
            if shown { print("") }
            shown = false
        }
    }
}
