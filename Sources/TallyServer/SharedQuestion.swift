import Synchronization

/// A question that is put once at a time, however many ask: who asks while it is under way gets its answer.
final class SharedQuestion<Answer: Sendable>: Sendable {
    private let put: @Sendable () async -> Answer
    private let underWay = Mutex<Task<Answer, Never>?>(nil)

    init(_ put: @escaping @Sendable () async -> Answer) { self.put = put }

    func answer() async -> Answer {
        let task = self.underWay.withLock { underWay in
            if let underWay { return underWay }
            let new = Task {
                let answer = await self.put()
                self.underWay.withLock { $0 = nil }
                return answer
            }
            underWay = new
            return new
        }
        return await task.value
    }
}
