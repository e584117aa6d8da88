/// Knows since when a connection waits, and for what. Time is counted in ticks of the loop, so that a request costs no
/// look at the clock and no timer.
struct ConnectionWatch {
    /// How long a connection may wait, in ticks.
    struct Limits: Sendable, Equatable {
        /// For the next request.
        let idle: UInt32
        /// For a request to be complete, from its first byte; and for the caller to take what is written to it.
        let request: UInt32
        /// For the caller to read its last answer, while what it still sends is thrown away.
        let drain: UInt32
    }

    enum Verdict: Equatable {
        case fine
        /// No request has begun for too long.
        case idle
        /// A request has begun, and its rest does not come.
        case requestLate
        /// The caller does not read what it is sent.
        case unread
        /// The last answer has gone out, and the caller had time to read it.
        case drained
    }

    /// 0 while no request is being read; ticks begin at 1.
    private var requestBegan: UInt32 = 0
    private var restsSince: UInt32
    private var blockedSince: UInt32 = 0
    private var closingSince: UInt32 = 0

    init(now: UInt32) { self.restsSince = now }

    /// Bytes came in. They begin a request where none is being read.
    @inline(__always)
    mutating func bytesCame(now: UInt32) {
        if self.requestBegan == 0 { self.requestBegan = now }
    }

    /// The last byte of a request came.
    @inline(__always)
    mutating func requestEnded() { self.requestBegan = 0 }

    /// An answer was written.
    @inline(__always)
    mutating func answered(now: UInt32) { self.restsSince = now }

    /// The caller's side takes bytes again, or takes no more.
    mutating func writabilityChanged(to isWritable: Bool, now: UInt32) { self.blockedSince = isWritable ? 0 : now }

    /// The last answer was written.
    mutating func closes(now: UInt32) { self.closingSince = now }

    /// - Parameters:
    ///   - owesAnswer: an answer is due from here; the connection is not idle then, and a request that follows may have
    ///     been kept from being read.
    ///   - isRouting: the router is at work on a request. Its time is its own, but the request must arrive.
    func verdict(now: UInt32, limits: Limits, owesAnswer: Bool, isRouting: Bool) -> Verdict {
        if self.blockedSince != 0, now - self.blockedSince >= limits.request { return .unread }
        if self.closingSince != 0 { return now - self.closingSince >= limits.drain ? .drained : .fine }
        if owesAnswer { return .fine }
        if self.requestBegan != 0 {
            return now - max(self.requestBegan, self.restsSince) >= limits.request ? .requestLate : .fine
        }
        return !isRouting && now - self.restsSince >= limits.idle ? .idle : .fine
    }
}
