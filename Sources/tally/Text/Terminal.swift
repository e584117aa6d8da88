#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What standard output is, as far as a layout depends on it.
struct Terminal: Equatable {
    /// In columns; nil where standard output is no terminal, but a file or a pipe.
    var width: Int?
    var isColored = false

    /// Narrower than this, lines are broken by the terminal rather than squeezed.
    static let leastWidth = 40
    private static let standardWidth = 80

    /// A file or a pipe.
    static let none = Terminal(width: nil)

    /// COLUMNS where it is set, else what the terminal says of itself. NO_COLOR (https://no-color.org) keeps colours
    /// out, and so does a terminal that calls itself dumb.
    static var output: Terminal {
        guard outputIsTerminal else { return .none }
        let environment = Environment.current
        let columns = environment["COLUMNS"].flatMap { Int($0) } ?? self.columns ?? self.standardWidth
        let isPlain = environment["NO_COLOR"].map { !$0.isEmpty } ?? false || environment["TERM"] == "dumb"
        return Terminal(width: max(self.leastWidth, columns), isColored: !isPlain)
    }

    private static var columns: Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Parameters of the sequence that selects a rendition (ECMA-48, SGR).
    enum Style: String {
        case bold = "1"
        case faint = "2"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
        case boldRed = "31;1"
    }

    func styled(_ text: String, _ style: Style) -> String {
        self.isColored && !text.isEmpty ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}
