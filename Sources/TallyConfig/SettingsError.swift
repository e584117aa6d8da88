/// Everything that is wrong with a configuration, at once.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    public struct Fault: Sendable, Equatable, CustomStringConvertible {
        /// The key, or nil where a file or a line of it is at fault.
        public let key: SettingKey?
        /// The key and its source, or the file: `PORT (flag --port)`, `.env line 12`.
        public let place: String
        /// What is wrong. Holds nothing of a value that may hold a secret.
        public let what: String
        /// What would be right, where there is more to say.
        public let allowed: String?

        public init(key: SettingKey? = nil, place: String, what: String, allowed: String? = nil) {
            self.key = key
            self.place = place
            self.what = what
            self.allowed = allowed
        }

        /// One line, or more where what is wrong is drawn under the value, and one for what is allowed.
        public var description: String {
            var text = "\(self.place): "
            // A drawing in the words (a caret under a schedule) keeps its columns only on lines of its own.
            text += self.what.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n    ")
            if let allowed = self.allowed { text += "\n    allowed: \(allowed)" }
            return text
        }
    }

    /// The files first, then the keys in the order of the table; at least one.
    public let faults: [Fault]
    /// What is odd besides, and would not have stopped the start: often the other half of a mistyped key.
    public let warnings: [String]

    public init(faults: [Fault], warnings: [String] = []) {
        self.faults = faults
        self.warnings = warnings
    }

    public var description: String {
        let head =
            self.faults.count == 1
            ? "the configuration has a fault" : "the configuration has \(self.faults.count) faults"
        let lines = self.faults.map(\.description) + self.warnings.map { "warning: \($0)" }
        return ([head] + lines.map { "  " + $0.replacing("\n", with: "\n  ") }).joined(separator: "\n")
    }
}
