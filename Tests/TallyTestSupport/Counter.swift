public import TallyCore

/// What is counted, over all hours.
public struct Counter: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let client: Name
    public let test: Name
    public let variation: Name
    public let event: Name

    public init(client: Name, test: Name, variation: Name, event: Name = .view) {
        self.client = client
        self.test = test
        self.variation = variation
        self.event = event
    }

    public var description: String { "\(self.client)/\(self.test)/\(self.variation)/\(self.event)" }

    public static func < (left: Counter, right: Counter) -> Bool {
        left.names.lexicographicallyPrecedes(right.names)
    }

    private var names: [Name] { [self.client, self.test, self.variation, self.event] }
}
