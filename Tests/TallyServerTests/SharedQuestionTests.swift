import Synchronization
import TallyTestSupport
import Testing

@testable import TallyServer

@Suite("Shared questions")
struct SharedQuestionTests {
    /// How often it is put, and how often at a time.
    private final class Meter: Sendable {
        private let counts = Mutex((puts: 0, underWay: 0, most: 0))

        var puts: Int { self.counts.withLock { $0.puts } }
        var most: Int { self.counts.withLock { $0.most } }

        func begin() -> Int {
            self.counts.withLock { counts in
                counts.puts += 1
                counts.underWay += 1
                counts.most = max(counts.most, counts.underWay)
                return counts.puts
            }
        }

        func end() { self.counts.withLock { $0.underWay -= 1 } }
    }

    private final class Gate: Sendable {
        let isOpen = Atomic(false)
        let asked = Atomic(0)
    }

    @Test("however many ask, it is put once at a time, and anew when it was answered")
    func onceAtATime() async throws {
        let meter = Meter()
        let question = SharedQuestion<Int> {
            let number = meter.begin()
            for _ in 0..<10 { await Task.yield() }
            meter.end()
            return number
        }
        #expect(await question.answer() == 1)
        #expect(await question.answer() == 2)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    for _ in 0..<20 {
                        let before = meter.puts
                        #expect(await question.answer() >= before)
                    }
                }
            }
        }
        #expect(meter.most == 1)
    }

    @Test("all who ask while it is under way get its one answer")
    func sharedByAll() async throws {
        let meter = Meter()
        let gate = Gate()
        let question = SharedQuestion<Int> {
            let number = meter.begin()
            while !gate.isOpen.load(ordering: .acquiring) { try? await Task.sleep(for: .milliseconds(1)) }
            meter.end()
            return number
        }
        // On one thread, so that whoever has said that it asks has asked by the time that anyone else looks.
        let answers = try await withTaskExecutorPreference(BackgroundThread()) {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        gate.asked.add(1, ordering: .relaxed)
                        return await question.answer()
                    }
                }
                try await eventually("all to have asked") { gate.asked.load(ordering: .relaxed) == 100 }
                for _ in 0..<10 { await Task.yield() }
                gate.isOpen.store(true, ordering: .releasing)
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(answers == Array(repeating: 1, count: 100))
        #expect(meter.puts == 1)
    }
}
