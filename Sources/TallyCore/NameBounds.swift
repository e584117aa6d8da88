/// How many names a deployment takes, so that random names cannot grow it without end. A buffer enforces them in the
/// same transaction as the count; a count beyond one is refused.
public struct NameBounds: Sendable, Equatable {
    public var clients: Int
    public var testsPerClient: Int
    public var variationsPerTest: Int
    public var eventsPerTest: Int

    public init(
        clients: Int = 10_000, testsPerClient: Int = 1_000, variationsPerTest: Int = 100, eventsPerTest: Int = 20
    ) {
        self.clients = clients
        self.testsPerClient = testsPerClient
        self.variationsPerTest = variationsPerTest
        self.eventsPerTest = eventsPerTest
    }

    public static let standard = NameBounds()
}
