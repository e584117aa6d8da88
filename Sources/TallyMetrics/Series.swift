import CoreMetrics
import Synchronization

/// One line of a metric, or one set of buckets: what a name and its labels stand for.
protocol Series: Sendable {
    /// Appends its lines.
    /// - Parameter labels: `result="counted"`, or empty.
    func write(_ name: String, _ labels: String, to text: inout String)
}

/// A number that only grows, written from any thread without a lock.
final class Total: Series, CounterHandler {
    private let number = Atomic<Int64>(0)

    func increment(by amount: Int64) { self.number.wrappingAdd(amount, ordering: .relaxed) }

    func reset() { self.number.store(0, ordering: .relaxed) }

    func write(_ name: String, _ labels: String, to text: inout String) {
        text.appendSample(name, labels, "\(self.number.load(ordering: .relaxed))")
    }
}

/// A number that goes up and down, written from any thread without a lock. Not a number until it is first set: what
/// nobody has looked at yet is not known.
final class Level: Series, RecorderHandler, MeterHandler {
    private let bits = Atomic<UInt64>(Double.nan.bitPattern)

    func set(_ value: Double) { self.bits.store(value.bitPattern, ordering: .relaxed) }
    func set(_ value: Int64) { self.set(Double(value)) }
    func record(_ value: Int64) { self.set(Double(value)) }
    func record(_ value: Double) { self.set(value) }
    func decrement(by amount: Double) { self.increment(by: -amount) }

    func increment(by amount: Double) {
        var old = self.bits.load(ordering: .relaxed)
        while true {
            let value = Double(bitPattern: old)
            let new = ((value.isNaN ? 0 : value) + amount).bitPattern
            let (exchanged, seen) = self.bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = seen
        }
    }

    func write(_ name: String, _ labels: String, to text: inout String) {
        text.appendSample(name, labels, Exposition.number(Double(bitPattern: self.bits.load(ordering: .relaxed))))
    }
}
