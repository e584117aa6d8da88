import Synchronization
public import TallyCore

/// What a test knows of the counts that it sent: the other side of the books.
public final class Ledger: Sendable {
    /// What became of the counts of one counter.
    public struct Entry: Sendable, Equatable {
        /// Answered with 200: they must be there.
        public var acknowledged: Int64 = 0
        /// Sent, and no answer that decides: they may be there.
        public var unanswered: Int64 = 0
        /// Answered with a refusal: they must not be there.
        public var refused: Int64 = 0

        public init(acknowledged: Int64 = 0, unanswered: Int64 = 0, refused: Int64 = 0) {
            self.acknowledged = acknowledged
            self.unanswered = unanswered
            self.refused = refused
        }
    }

    private let book = Mutex<[Counter: Entry]>([:])

    public init() {}

    public func recordAcknowledged(_ counter: Counter, _ count: Int64 = 1) {
        self.book.withLock { $0[counter, default: Entry()].acknowledged += count }
    }

    public func recordUnanswered(_ counter: Counter, _ count: Int64 = 1) {
        self.book.withLock { $0[counter, default: Entry()].unanswered += count }
    }

    public func recordRefused(_ counter: Counter, _ count: Int64 = 1) {
        self.book.withLock { $0[counter, default: Entry()].refused += count }
    }

    public var entries: [Counter: Entry] { self.book.withLock { $0 } }

    /// All clients that occur, sorted.
    public var clients: [Name] { Set(self.entries.keys.map(\.client)).sorted() }

    /// The sums over all counters.
    public var total: Entry {
        self.entries.values.reduce(into: Entry()) {
            $0.acknowledged += $1.acknowledged
            $0.unanswered += $1.unanswered
            $0.refused += $1.refused
        }
    }

    /// Holds counts against the ledger: each must lie between what was acknowledged and what may have been counted.
    ///
    /// - Parameters:
    ///   - counted: what is in the store, of all clients.
    ///   - exactly: nothing may be counted but what was acknowledged, unanswered or not.
    /// - Returns: what is wrong, one line per counter, sorted by counter; empty where nothing is.
    public func check(counted: [Counter: Int64], exactly: Bool = false) -> [String] {
        let entries = self.entries
        return Set(entries.keys).union(counted.keys).sorted().compactMap { counter in
            let entry = entries[counter] ?? Entry()
            let count = counted[counter] ?? 0
            let most = entry.acknowledged + (exactly ? 0 : entry.unanswered)
            let known =
                "\(entry.acknowledged) acknowledged, \(entry.unanswered) unanswered, \(entry.refused) refused"
            if count < entry.acknowledged {
                return "\(counter): \(entry.acknowledged - count) lost (\(count) counted; \(known))"
            }
            if count > most {
                return "\(counter): \(count - most) too many (\(count) counted; \(known))"
            }
            return nil
        }
    }
}
