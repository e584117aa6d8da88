import NIOCore
import TallyCore

/// A batch that is being gathered, with those who wait for its verdicts.
///
/// All single counts of one counter become one unit, so the batch grows with the counters that are hit, not with the
/// requests. What carries an event ID is merged with nothing, since it may turn out to be a duplicate.
final class GatheredBatch {
    /// A batch closes at this many entries. A request with many items is not split: it may go past.
    static let maximumEntries = 500
    /// Most items of one request (CONTRACT: batches of at most 1,000).
    static let maximumItems = TrackParser.maximumItems

    private(set) var counts = CountBatch()
    private(set) var waiters: [Waiter] = []
    /// When the waiters came: one entry for each tick in which any did.
    private(set) var arrivals: [Arrival] = []
    private var singles = FieldIndex(capacity: maximumEntries + maximumItems)
    private var within = FieldIndex(capacity: maximumItems)

    var isEmpty: Bool { self.counts.isEmpty }

    /// Whether a request with so many items still belongs into this batch.
    func takes(items: Int) -> Bool {
        self.counts.isEmpty || self.counts.entries.count + items <= Self.maximumEntries
    }

    /// Notes that a request came, in the tick that began at this time; `add…` follows.
    @inline(__always)
    func noteArrival(at tick: NIODeadline) {
        if let last = self.arrivals.indices.last, self.arrivals[last].at == tick {
            self.arrivals[last].requests += 1
        } else {
            self.arrivals.append(Arrival(at: tick, requests: 1))
        }
    }

    /// Adds the one count of a request.
    func addSingle(_ field: UnsafeRawBufferPointer, count: Int64, for waiter: Waiter) {
        var waiter = waiter
        switch self.singles.entry(for: field, in: self.counts.bytes, entries: self.counts.entries) {
        case .found(let entry):
            self.counts.add(count, to: entry)
            waiter.unit = self.counts.entries[entry].unit
        case .absent(let position, let hash):
            let entry = self.counts.appendSingle(field: field, count: count)
            waiter.unit = self.counts.entries[entry].unit
            self.singles.insert(entry, position: position, hash: hash)
        }
        self.waiters.append(waiter)
    }

    /// Adds all items of a request as one unit; a single count only where it carries an event ID.
    func addAll(of parser: borrowing TrackParser, for waiter: Waiter) {
        var waiter = waiter
        waiter.unit = Int32(truncatingIfNeeded: self.counts.beginUnit())
        self.within.removeAll()
        for item in parser.items.indices {
            let count = parser.items[item].count
            let idLength = parser.items[item].idLength
            guard idLength == 0 else {
                parser.withFieldAndID(item) { self.counts.append(field: $0, idLength: idLength, count: count) }
                continue
            }
            parser.withField(item) { field in
                switch self.within.entry(for: field, in: self.counts.bytes, entries: self.counts.entries) {
                case .found(let entry): self.counts.add(count, to: entry)
                case .absent(let position, let hash):
                    self.within.insert(self.counts.append(field: field, count: count), position: position, hash: hash)
                }
            }
        }
        self.waiters.append(waiter)
    }

    /// Lets go of the waiters, who have their answer; the counts stay for the lane.
    func forgetWaiters() {
        self.waiters.removeAll(keepingCapacity: true)
        self.arrivals.removeAll(keepingCapacity: true)
    }

    /// Empties the batch and keeps its memory.
    func removeAll() {
        self.counts.removeAll()
        self.forgetWaiters()
        self.singles.removeAll()
    }
}

/// Requests that came in one tick of the event loop.
struct Arrival {
    let at: NIODeadline
    var requests: Int
}

/// Someone who waits for a verdict: a request on a connection.
struct Waiter {
    let connection: TrackHandler
    /// Which of the connection's requests.
    let request: Int
    /// The unit of the batch that decides it.
    var unit: Int32 = 0
    /// The sum of the counts of a batch request; nil for a single count.
    let accepted: Int64?
}
