import Synchronization
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
}
