/// The answer to INFO: `name:value` a line (https://redis.io/docs/latest/commands/info/).
struct InfoText {
    private var values: [Substring: Substring] = [:]

    init(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            self.values[line[..<colon]] = line[line.index(after: colon)...]
        }
    }

    subscript(name: String) -> String? { self.values[name[...]].map(String.init) }
}

/// What Redis says of how it keeps its data (`INFO persistence`).
struct PersistenceState: Equatable {
    let keepsAppendOnlyFile: Bool
    /// A rewrite of the append-only file is under way or about to begin.
    let isRewriting: Bool
    let lastRewriteSucceeded: Bool

    init(_ text: String) {
        let info = InfoText(text)
        self.keepsAppendOnlyFile = info["aof_enabled"] == "1"
        self.isRewriting = info["aof_rewrite_in_progress"] == "1" || info["aof_rewrite_scheduled"] == "1"
        self.lastRewriteSucceeded = info["aof_last_bgrewrite_status"] == "ok"
    }
}
