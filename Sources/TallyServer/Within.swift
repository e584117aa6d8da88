/// Waits for `body`, and not longer than `limit`. It goes on after that, cancelled, with nobody who waits for it: a
/// blocking call of a driver does not notice that it is cancelled.
/// - Throws: what `body` throws, or `TimeIsUp` when the time is over.
func within<Result: Sendable>(
    _ limit: Duration, orElse reason: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let (results, continuation) = AsyncThrowingStream<Result, any Error>.makeStream()
    // Not a child task, which would be waited for.
    let work = Task {
        do {
            continuation.yield(try await body())
            continuation.finish()
        } catch {
            continuation.finish(throwing: error)
        }
    }
    let timer = Task {
        try await Task.sleep(for: limit)
        continuation.finish(throwing: TimeIsUp(description: "not done within \(limit); \(reason)"))
    }
    defer {
        timer.cancel()
        work.cancel()
    }
    for try await result in results { return result }
    throw CancellationError()
}

/// Something took longer than it may.
struct TimeIsUp: Error, CustomStringConvertible {
    let description: String
}
