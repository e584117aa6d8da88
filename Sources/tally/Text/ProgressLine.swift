import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Says on standard error how far something has come, once it has taken a second: on a terminal in one line that is
/// written anew, elsewhere in a line every ten seconds, so that a log is not filled.
final class ProgressLine: Sendable {
    private struct State {
        var shownAt: ContinuousClock.Instant
        var isOpen = false
    }

    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State(shownAt: .now))

    private var pause: Duration { self.isTerminal ? .milliseconds(200) : .seconds(10) }

    /// - Parameter line: asked for only where it is shown.
    func show(_ line: @autoclosure () -> String) {
        self.state.withLock { state in
            guard ContinuousClock.now - state.shownAt > (state.isOpen ? self.pause : max(self.pause, .seconds(1)))
            else {
                return
            }
            state.shownAt = .now
            if self.isTerminal {
                // Erases what a longer line before it has left (ECMA-48, EL).
                writeText("\r\(line())\u{1B}[K", to: STDERR_FILENO)
                state.isOpen = true
            } else {
                printError(line())
            }
        }
    }

    /// Ends the line, before anything else is printed.
    func end() {
        self.state.withLock { state in
            if state.isOpen { writeText("\r\u{1B}[K", to: STDERR_FILENO) }
            state.isOpen = false
        }
    }
}
