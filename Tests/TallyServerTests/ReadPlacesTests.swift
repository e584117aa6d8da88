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

/// Beside the others: it waits for most of its time.
@Suite("Places for readers over HTTP", .serverLogs)
struct ReadPlacesOverHTTPTests {
    private static let path = "/get-metric?clientName=large"

    /// An answer of 10 MB: far more than Linux keeps for a socket that is not read from, 4 MiB.
    private func countMany(_ tally: TallyProcess) async throws {
        let connection = try await TestConnection.connect(port: tally.port)
        // Each of these is two bytes of JSON.
        let long = String(repeating: #"\""#, count: 60)
        for test in 0..<40 {
            for first in [0, 10] {
                let lines = (first..<(first + 10)).flatMap { event in
                    (0..<100).map { number in
                        #"{"clientName":"large","testID":"t\#(test)","variation":"\#(long)\#(number)","event":"e\#(event)"}"#
                    }
                }
                let answer = try await connection.request(
                    .POST, "/track", headers: ["Content-Type": "application/x-ndjson"],
                    body: lines.joined(separator: "\n"))
                #expect(answer.status == 200)
            }
        }
    }

    @Test("while four large answers are unread the fifth reader is told to come back, and one that ends makes room")
    func unread() async throws {
        let deployment = try await Deployment.start(.embedded)
        let tally = try await TallyProcess.start(
            deployment.settings(flush: Deployment.never).merging([
                "REQUEST_TIMEOUT_S": "120", "IDLE_TIMEOUT_S": "120",
            ]) { $1 })
        try await self.countMany(tally)
        try await deployment.flush(tally)
        var held: [UnreadAnswer] = []
        for _ in 0..<4 {
            held.append(try await UnreadAnswer.begin("GET \(Self.path) HTTP/1.1\r\nHost: x\r\n\r\n", port: tally.port))
        }
        let clock = ContinuousClock()
        let begin = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for path in [Self.path, "/clients"] {
                group.addTask {
                    let connection = try await TestConnection.connect(port: tally.port)
                    let answer = try await connection.request(.GET, path)
                    #expect(answer.status == 503, "\(path)")
                    #expect(answer.header("retry-after") == "10")
                    #expect(answer.header("content-type") == "application/problem+json")
                    #expect(clock.now - begin >= .seconds(9), "it waits for a place first")
                }
            }
            // What is small needs no place.
            #expect(try await TestConnection.once(port: tally.port, .GET, Self.path + "&testID=t1").status == 200)
            try await group.waitForAll()
        }
        held.removeFirst()
        try await eventually(within: .seconds(60), "room for another") {
            let connection = try await TestConnection.connect(port: tally.port)
            return try await connection.request(.GET, "/clients").status == 200
        }
        withExtendedLifetime(held) {}
    }
}
