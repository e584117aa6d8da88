import Logging
import Synchronization
import TallyCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Standard output, as the place of log lines.
///
/// Whoever logs is an event loop as often as not. So no line waits for a reader that has stalled: what finds no room
/// is left out, and the next line that finds some is preceded by one that says how many those were.
enum LogOutput {
    /// Lines since the last that could be written. The lock is held while a line is written, so that the room which was
    /// seen is there.
    private static let lost = Mutex(0)

    /// - Parameter line: with its end, one write for all of it, so that lines of several processes do not run into each
    ///   other (POSIX promises that for pipes up to PIPE_BUF, and Linux does it for files opened for appending).
    static func write(_ line: [UInt8], _ format: LogLine.Format) {
        self.lost.withLock { lost in
            let lines = lost == 0 ? line : self.account(of: lost, format) + line
            if self.hasRoom, writeAll(lines, to: STDOUT_FILENO) { lost = 0 } else { lost += 1 }
        }
    }

    private static func account(of lost: Int, _ format: LogLine.Format) -> [UInt8] {
        let event = LoggedEvent.logLost
        return LogLine.bytes(
            format, level: event.details.level.rawValue, event: event.name, "lines of the log are lost",
            [(LogField.count.rawValue, String(lost))])
    }

    /// Whether a line can be written without waiting: a pipe says so while it takes PIPE_BUF bytes more, 4,096 on Linux,
    /// and tally's lines are not that long; a file always does.
    private static var hasRoom: Bool {
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        return poll(&output, 1, 0) == 1 && output.revents & Int16(POLLOUT) != 0
    }
}
