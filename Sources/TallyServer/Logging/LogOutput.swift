import Logging
import Synchronization
import TallyCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Standard output, as the place of log lines and of the access log.
///
/// Lines go out one write each, or several whole ones to a write, of at most what a pipe takes as a whole: so they do
/// not run into each other, nor into those of another process (POSIX promises that for pipes up to PIPE_BUF, and Linux
/// does it for files opened for appending).
enum LogOutput {
    /// Log lines since the last that could be written. The lock is held while anything is written, so that room that
    /// was seen is there.
    private static let lost = Mutex(0)

    /// Writes a log line, and does not wait for a reader that has stalled: whoever logs is an event loop as often as
    /// not. What finds no room is left out, and the next line that finds some is preceded by one that says how many
    /// those were.
    static func write(_ line: [UInt8], _ format: LogLine.Format) {
        self.lost.withLock { lost in
            let lines = lost == 0 ? line : self.account(of: lost, format) + line
            if self.hasRoom(within: 0), writeAll(lines, to: STDOUT_FILENO) { lost = 0 } else { lost += 1 }
        }
    }

    /// Writes whole lines, and waits for a reader that has stalled; for a thread that has nothing else to do.
    /// - Parameter givesUp: asked every now and then while it waits.
    /// - Returns: false where they cannot be written; `errno` says why.
    static func writeWaiting(_ lines: [UInt8], unless givesUp: () -> Bool) -> Bool {
        var rest = lines[...]
        while !rest.isEmpty {
            let piece = Array(self.wholeLines(of: rest))
            let isWritten: Bool? = self.lost.withLock { _ in
                self.hasRoom(within: 0) ? writeAll(piece, to: STDOUT_FILENO) : nil
            }
            if let isWritten {
                guard isWritten else { return false }
                rest = rest.dropFirst(piece.count)
            } else if !self.hasRoom(within: 100), givesUp() {
                // Waited for outside of the lock: others may write their lines meanwhile.
                errno = EAGAIN
                return false
            }
        }
        return true
    }

    /// As many lines as fit into PIPE_BUF, and one at least.
    private static func wholeLines(of rest: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let newline = UInt8(ascii: "\n")
        let end =
            rest.prefix(Int(PIPE_BUF)).lastIndex(of: newline) ?? rest.firstIndex(of: newline) ?? rest.endIndex - 1
        return rest[...end]
    }

    private static func account(of lost: Int, _ format: LogLine.Format) -> [UInt8] {
        let event = LoggedEvent.logLost
        return LogLine.bytes(
            format, level: event.details.level.rawValue, event: event.name, "lines of the log are lost",
            [(LogField.count.rawValue, String(lost))])
    }

    /// Whether PIPE_BUF bytes can be written without waiting, 4,096 on Linux; tally's lines are not that long. A file
    /// always takes them; where the reader of a pipe is gone, writing says so at once.
    /// - Parameter milliseconds: how long to wait for that.
    private static func hasRoom(within milliseconds: Int32) -> Bool {
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        return poll(&output, 1, milliseconds) == 1
    }
}
