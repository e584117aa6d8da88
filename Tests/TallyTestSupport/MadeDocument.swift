public import Foundation

/// A file of the repository that is made from the code, whole or in part.
public enum MadeDocument {
    /// Whether tests write such files anew instead of holding them against the code: `TALLY_UPDATE_EXAMPLES=1`.
    public static let isRewritten = ProcessInfo.processInfo.environment["TALLY_UPDATE_EXAMPLES"] == "1"

    /// - Parameter path: from the repository's root.
    public static func file(_ path: String) -> URL { Executable.repository.appendingPathComponent(path) }
}
