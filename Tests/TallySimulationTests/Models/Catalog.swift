import TallyCore

/// What is counted in the simulation: few counters, so that much happens to each.
///
/// **A count says which request it came from.** The k-th count of a counter is 4 to the power of k, so in the sum that
/// ends up in the store the k-th digit to base 4 says how often it was counted: 0, 1, or wrongly 2 or 3. The real code
/// adds whole numbers and knows nothing of this.
enum Catalog {
    static let tests = 4
    static let variationsPerTest = 2
    static let counters = tests * variationsPerTest
    /// Digits of a counter. Sums of all counters together must stay far below 2^63: 8 * 4^25 is 2^53.
    static let digits = 24

    static let clientNames: [Name] = ["acme", "acme", "bolt", "bolt"]
    static let testNames: [Name] = ["t0", "t1", "t2", "t3"]
    static let variationNames: [Name] = ["A", "B"]
    private static let testNumbers = Dictionary(uniqueKeysWithValues: zip(testNames, 0...))

    static func test(_ counter: Int) -> Int { counter / self.variationsPerTest }
    static func test(named name: Name) -> Int { self.testNumbers[name]! }

    /// The counts as the real code hands them on.
    static func documents(_ values: [Int64]) -> [DocumentCounts] {
        (0..<self.tests).compactMap { test in
            let counts = (0..<self.variationsPerTest).compactMap { variation -> DocumentCounts.Count? in
                let value = values[test * self.variationsPerTest + variation]
                return value == 0 ? nil : .init(variation: self.variationNames[variation], event: .view, count: value)
            }
            return counts.isEmpty
                ? nil : DocumentCounts(client: self.clientNames[test], test: self.testNames[test], counts: counts)
        }
    }

    /// One bit for each digit that is not 0, where the digit's lower bit is.
    static func presence(_ value: Int64) -> UInt64 {
        let bits = UInt64(bitPattern: value)
        return (bits | bits >> 1) & 0x5555_5555_5555_5555
    }
}

/// A request to /track: one or two counts, to be counted as a whole or not at all.
final class Request {
    struct Item {
        let counter: Int
        let digit: Int

        var count: Int64 { 1 << (2 * Int64(self.digit)) }
    }

    /// What its client was told.
    enum Answer {
        case waiting
        /// 200: it must be there.
        case counted
        /// 422 or 503: it must not be there.
        case refused
        /// 504, or the connection broke: it may be there.
        case unknown
    }

    let number: Int
    let items: [Item]
    var answer = Answer.waiting

    init(number: Int, items: [Item]) {
        self.number = number
        self.items = items
    }

    var tests: UInt8 { self.items.reduce(0) { $0 | 1 << UInt8(Catalog.test($1.counter)) } }

    var text: String {
        "#\(self.number)(" + self.items.map { "c\($0.counter).\($0.digit)" }.joined(separator: " ") + ")"
    }
}
