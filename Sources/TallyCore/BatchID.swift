/// One life of a buffer.
///
/// A buffer that may have forgotten something (a restart, a restored copy, a promoted replica) starts a new epoch, so
/// that its numbers never mean two things.
public struct Epoch: Hashable, Sendable, CustomStringConvertible {
    public let value: UInt64

    public init(_ value: UInt64) { self.value = value }

    /// Reads the 16 hexadecimal digits that `description` writes.
    public init?(_ hexadecimal: some StringProtocol) {
        guard hexadecimal.utf8.count == 16, let value = UInt64(hexadecimal, radix: 16) else { return nil }
        self.value = value
    }

    public static func random() -> Epoch { Epoch(UInt64.random(in: 1...UInt64.max)) }

    /// 16 hexadecimal digits, as the epoch is written in every place that keeps it.
    public var description: String {
        let digits = String(self.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// The number under which a sealed batch is applied, once, wherever it goes.
public struct BatchID: Hashable, Sendable, CustomStringConvertible {
    public let epoch: Epoch
    /// From 1, without gaps within an epoch.
    public let number: Int64

    public init(epoch: Epoch, number: Int64) {
        self.epoch = epoch
        self.number = number
    }

    public var description: String { "\(self.epoch):\(self.number)" }
}
