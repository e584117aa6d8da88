import TallyTestSupport
import Testing

@testable import TallyServer

@Suite("Places for readers")
struct ReadPlacesTests {
    @Test("a place that is let go is the next one's, first come, first served")
    func order() async throws {
        let places = ReadPlaces(2)
        var held: [ReadPlaces.Place] = []
        for _ in 0..<2 { held.append(try await places.take(within: .zero)) }
        let served = Order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<5 {
                group.addTask {
                    let place = try await places.take(within: .seconds(60))
                    await served.append(number)
                    withExtendedLifetime(place) {}
                }
                try await eventually("number \(number) to wait") { places.waitingCount == number + 1 }
            }
            held.removeFirst()
            try await group.waitForAll()
        }
        #expect(await served.numbers == [0, 1, 2, 3, 4])
    }

    @Test("who has waited for long enough is told, and takes no place later")
    func patience() async throws {
        let places = ReadPlaces(1)
        var held: ReadPlaces.Place? = try await places.take(within: .zero)
        for _ in 0..<3 {
            await #expect(throws: TimeIsUp.self) { try await places.take(within: .milliseconds(20)) }
        }
        try await eventually("nobody to wait any more") { places.waitingCount == 0 }
        withExtendedLifetime(held) {}
        held = nil
        _ = try await places.take(within: .zero)
        _ = try await places.take(within: .zero)
    }

    @Test("whatever comes of those who wait, every place is free in the end")
    func allFree() async throws {
        let places = ReadPlaces(3)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let task = Task {
                        let place = try await places.take(within: .milliseconds(number % 7))
                        await Task.yield()
                        withExtendedLifetime(place) {}
                    }
                    if number % 3 == 0 { task.cancel() }
                    _ = try? await task.value
                }
            }
        }
        try await eventually("the last to have gone") { places.waitingCount == 0 && places.freeCount == 3 }
    }

    private actor Order {
        var numbers: [Int] = []
        func append(_ number: Int) { self.numbers.append(number) }
    }
}
