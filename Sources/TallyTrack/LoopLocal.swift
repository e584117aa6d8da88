import NIOCore

/// A value for each event loop of a group, made on its loop and used on it alone.
struct LoopLocal<Value>: Sendable {
    private let values: [ObjectIdentifier: NIOLoopBound<Value>]

    init(_ group: any EventLoopGroup, _ make: @escaping @Sendable (any EventLoop) -> Value) async throws {
        var values: [ObjectIdentifier: NIOLoopBound<Value>] = [:]
        for eventLoop in group.makeIterator() {
            values[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                NIOLoopBound(make(eventLoop), eventLoop: eventLoop)
            }.get()
        }
        self.values = values
    }

    /// That of the loop that the caller runs on.
    func current(on eventLoop: any EventLoop) -> Value {
        guard let value = self.values[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("connections are accepted on the loops of the group")
        }
        return value.value
    }

    /// Visits them one after the other, each on its loop.
    /// - Returns: what `body` gave for each; nil for a loop that has ended.
    @discardableResult
    func onEach<Result: Sendable>(_ body: @escaping @Sendable (Value) -> Result) async -> [Result?] {
        var results: [Result?] = []
        for value in self.values.values {
            results.append(try? await value.eventLoop.submit { body(value.value) }.get())
        }
        return results
    }
}
