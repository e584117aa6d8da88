/// What a test could not set up or did not see, in words.
public struct TestSupportError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Waits until `condition` holds, looking again every few milliseconds.
///
/// A condition that throws does not hold yet; what it threw last stands in the error, so that a wait that fails says
/// why.
///
/// - Parameters:
///   - limit: how long to wait at most.
///   - what: what is waited for, to be read after "waited 5.0 seconds for".
///   - log: more to say where the wait fails, such as the end of a server's log.
///   - condition: looked at once at least.
/// - Throws: `TestSupportError` when the time is over, `CancellationError` where the task was cancelled.
public func eventually(
    within limit: Duration = .seconds(10), _ what: String, log: () -> String = { "" },
    condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    var pause = Duration.milliseconds(2)
    while true {
        var thrown: (any Error)?
        do {
            if try await condition() { return }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            thrown = error
        }
        guard clock.now < deadline else {
            var message = "waited \(limit) for \(what)"
            if let thrown { message += "; last error: \(thrown)" }
            let tail = log()
            if !tail.isEmpty { message += "\n--- end of the log ---\n\(tail)" }
            throw TestSupportError(message)
        }
        try await Task.sleep(for: pause)
        pause = min(pause * 2, .milliseconds(50))
    }
}

/// Runs `body` and gives up after `limit`; `body` is then cancelled.
///
/// - Throws: what `body` throws, or `TestSupportError` when the time is over.
public func withTimeout<Result: Sendable>(
    _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw TestSupportError("gave up after \(limit): \(what)")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
