import DequeModule

/// The requests of one connection that wait for their answers, oldest first. Answers leave in this order, whatever the
/// order in which they become known (RFC 9112, section 9.3.2: pipelining).
struct RequestQueue {
    /// Past this many a connection is not read from until some are answered.
    static let maximum = 64

    struct Entry {
        let keepAlive: Bool
        let isHTTP10: Bool
        /// Nil for nearly all.
        var note: RequestNote?
        var response: TrackResponse?
    }

    private var entries: Deque<Entry> = []
    /// The number of the oldest entry; numbers are never used twice on a connection.
    private var first = 0

    var isEmpty: Bool { self.entries.isEmpty }
    var count: Int { self.entries.count }

    /// Appends a request and returns its number.
    mutating func append(keepAlive: Bool, isHTTP10: Bool, note: RequestNote?) -> Int {
        self.entries.append(Entry(keepAlive: keepAlive, isHTTP10: isHTTP10, note: note))
        return self.first + self.entries.count - 1
    }

    /// What follows a request.
    enum Next {
        case nothing
        /// A request whose answer is not known yet.
        case unanswered
        case answered
    }

    /// Takes the oldest request out, if it is this one: its answer may go at once.
    mutating func popFirst(if request: Int) -> (entry: Entry, next: Next)? {
        guard request == self.first, !self.entries.isEmpty else { return nil }
        self.first += 1
        return (self.entries.removeFirst(), self.next)
    }

    /// The note of a request; made by `make` where it has none yet.
    mutating func note(_ request: Int, orElse make: () -> RequestNote) -> RequestNote {
        let index = request - self.first
        guard index >= 0, index < self.entries.count else { return make() }
        if let note = self.entries[index].note { return note }
        let note = make()
        self.entries[index].note = note
        return note
    }

    /// Notes the answer to a request. Does nothing where it has one, or is gone.
    mutating func answer(_ request: Int, _ response: TrackResponse) {
        let index = request - self.first
        guard index >= 0, index < self.entries.count, self.entries[index].response == nil else { return }
        self.entries[index].response = response
    }

    /// The oldest request, if its answer is known.
    mutating func popAnswered() -> (entry: Entry, response: TrackResponse, next: Next)? {
        guard let entry = self.entries.first, let response = entry.response else { return nil }
        self.entries.removeFirst()
        self.first += 1
        return (entry, response, self.next)
    }

    private var next: Next {
        guard let first = self.entries.first else { return .nothing }
        return first.response == nil ? .unanswered : .answered
    }

    mutating func removeAll() {
        self.first += self.entries.count
        self.entries.removeAll()
    }
}
