import NIOCore

/// How long to wait before the next attempt: doubling from 10 ms to 1 s, each time between half and the whole of it, so
/// that many instances do not come back in one wave.
struct Backoff {
    private(set) var attempts = 0

    mutating func next() -> TimeAmount {
        let whole = min(10 << min(self.attempts, 7), 1_000)
        self.attempts += 1
        return .milliseconds(Int64.random(in: Int64(whole / 2)...Int64(whole)))
    }

    mutating func reset() { self.attempts = 0 }
}
