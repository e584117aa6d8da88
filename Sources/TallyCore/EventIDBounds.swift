/// For how long event IDs are remembered, and how many. A buffer records an ID in the same transaction as the count
/// that carries it; a count with an ID that is remembered is a duplicate, and not counted.
///
/// Where as many are remembered as there may be, a count with a new ID is refused: forgetting one early would risk that
/// something is counted twice.
public struct EventIDBounds: Sendable, Equatable {
    /// An ID is remembered for at least this long after it was counted.
    public var window: Duration
    /// The most IDs that are remembered at a time, of all clients together.
    public var maximum: Int

    public init(window: Duration = .seconds(600), maximum: Int = 1_000_000) {
        self.window = window
        self.maximum = maximum
    }

    public static let standard = EventIDBounds()

    /// IDs are forgotten together, a slice of them at a time. A slice takes new ones for this part of the window, so an
    /// ID is remembered for at most five quarters of it.
    public static let slicesInWindow = 4
}
