/// Where a value came from.
public enum SettingOrigin: Sendable, Equatable, CustomStringConvertible {
    /// The flag as it is written: `--port`.
    case flag(String)
    case environment
    /// A line of a `.env` file, counted from 1.
    case envFile(path: String, line: Int)
    case standard

    public var description: String {
        switch self {
        case .flag(let flag): "flag \(flag)"
        case .environment: "environment"
        case .envFile(let path, let line): "\(path) line \(line)"
        case .standard: "default"
        }
    }
}
