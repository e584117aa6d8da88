import TallyCore

/// The keys of one deployment. All share the hash tag `{prefix}`, so that they lie on one node of a cluster; what each
/// is for stands in `Scripts/seal.inc.lua`.
struct RedisKeys: Sendable {
    /// `{prefix}:`, what every key begins with.
    let base: String

    init(prefix: String) { self.base = "{\(prefix)}:" }

    var meta: String { self.base + "meta" }
    var pending: String { self.base + "pending" }
    var flushLock: String { self.base + "flush-lock" }

    func batch(_ id: BatchID) -> String { self.base + PendingEntry.batch(id).redisEntry }
}

extension PendingEntry {
    /// How the entry is written in the pending list.
    var redisEntry: String {
        switch self {
        case .batch(let id): "batch:\(id.epoch):\(id.number)"
        case .epochClosed(let epoch): "closed:\(epoch)"
        }
    }

    /// Reads what `redisEntry` wrote; nil for anything else.
    init?(redisEntry: String) {
        let parts = redisEntry.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 3, parts[0] == "batch", let epoch = Epoch(parts[1]), let number = Int64(parts[2]) {
            self = .batch(BatchID(epoch: epoch, number: number))
        } else if parts.count == 2, parts[0] == "closed", let epoch = Epoch(parts[1]) {
            self = .epochClosed(epoch)
        } else {
            return nil
        }
    }
}
