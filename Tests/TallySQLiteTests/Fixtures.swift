// Foundation for files and folders alone.
import Foundation
import GRDB
import NIOCore
import NIOPosix
import Synchronization
import TallyCore

@testable import TallySQLite

/// A directory of one test's own, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        self.path = FileManager.default.temporaryDirectory.path + "/tally-sqlite-\(UInt64.random(in: 0...UInt64.max))"
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    /// Copies the database's file and its log, as they are at this moment.
    /// - Parameter trailingBytes: what a write that was cut off left at the log's end.
    static func copy(of directory: TemporaryDirectory, trailingBytes: [UInt8] = []) throws -> TemporaryDirectory {
        let copy = TemporaryDirectory()
        let files = FileManager.default
        try files.createDirectory(atPath: copy.path, withIntermediateDirectories: true)
        for name in [EmbeddedDatabase.fileName, EmbeddedDatabase.fileName + "-wal"]
        where files.fileExists(atPath: directory.path + "/" + name) {
            var content = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/" + name))
            if name.hasSuffix("-wal") { content.append(contentsOf: trailingBytes) }
            try content.write(to: URL(fileURLWithPath: copy.path + "/" + name))
        }
        return copy
    }
}

/// A clock that stands where it is put.
final class TestClock: Sendable {
    private let seconds: Mutex<Int64>

    init(_ seconds: Int64 = 1_800_000_000) { self.seconds = Mutex(seconds) }

    var now: Int64 {
        get { self.seconds.withLock { $0 } }
        set { self.seconds.withLock { $0 = newValue } }
    }

    var read: @Sendable () -> Int64 { { self.now } }
}

/// A lane, and the event loop that it lives on.
struct TestLane: Sendable {
    private let eventLoop: any EventLoop
    private let lane: NIOLoopBound<any BufferLane>

    static func on(_ eventLoop: any EventLoop, of buffer: SQLiteBuffer) async throws -> TestLane {
        let lane = try await eventLoop.submit { NIOLoopBound(buffer.makeLane(on: eventLoop), eventLoop: eventLoop) }
            .get()
        return TestLane(eventLoop: eventLoop, lane: lane)
    }

    static func on(_ buffer: SQLiteBuffer) async throws -> TestLane {
        try await self.on(MultiThreadedEventLoopGroup.singleton.next(), of: buffer)
    }

    func send(_ batch: CountBatch) async throws -> LaneOutcome {
        let promise = self.eventLoop.makePromise(of: LaneOutcome.self)
        self.eventLoop.execute { self.lane.value.send(batch) { promise.succeed($0) } }
        return try await promise.futureResult.get()
    }

    func withLane<Result: Sendable>(_ body: @escaping @Sendable (any BufferLane) -> Result) async throws -> Result {
        try await self.eventLoop.submit { body(self.lane.value) }.get()
    }
}

/// An increment of one counter.
struct Hit: Sendable {
    var client: Name = "acme"
    var test: Name = "cta"
    var variation: Name = "A"
    var event: Name = .view
    var count: Int64 = 1
    /// An event ID.
    var id: String?
}

extension CountBatch {
    /// One unit per element.
    init(units: [[Hit]]) {
        self.init()
        for unit in units {
            self.beginUnit()
            for hit in unit {
                let field = CounterField.pack(
                    client: hit.client, test: hit.test, variation: hit.variation, event: hit.event)
                guard let id = hit.id else {
                    _ = field.withUnsafeBytes { self.append(field: $0, count: hit.count) }
                    continue
                }
                (field + Array(id.utf8)).withUnsafeBytes {
                    self.append(field: $0, idLength: id.utf8.count, count: hit.count)
                }
            }
        }
    }

    /// A unit for each hit.
    init(_ hits: Hit...) { self.init(units: hits.map { [$0] }) }
}

extension LaneOutcome {
    var verdicts: Verdicts? {
        guard case .counted(let verdicts) = self else { return nil }
        return verdicts
    }

    var isAllCounted: Bool { self.verdicts == .allCounted }

    var notCounted: BufferError? {
        guard case .notCounted(let error) = self else { return nil }
        return error
    }
}

extension CounterBuffer {
    /// Seals, and brings everything that waits to the store.
    func flush(to store: some CounterStore) async throws {
        try await self.seal()
        for entry in try await self.pending() {
            switch entry {
            case .batch(let id):
                if let batch = try await self.read(id) { try await store.apply(batch) }
            case .epochClosed(let epoch): try await store.close(epoch)
            }
            try await self.acknowledge(entry)
        }
    }

    /// All sealed batches.
    func batches() async throws -> [SealedBatch] {
        var batches: [SealedBatch] = []
        for case .batch(let id) in try await self.pending() {
            if let batch = try await self.read(id) { batches.append(batch) }
        }
        return batches
    }
}

extension CounterStore {
    /// Everything that the store holds of one client, by the packed names.
    func counters(_ client: Name = "acme") async throws -> [[UInt8]: Int64] {
        var counters: [[UInt8]: Int64] = [:]
        for test in try await self.metrics(client: client, test: nil)?.tests ?? [] {
            for event in test.events + [.init(name: .view, variations: test.variations)] {
                for variation in event.variations {
                    counters[
                        CounterField.pack(client: client, test: test.test, variation: variation.name, event: event.name)
                    ] = variation.count
                }
            }
        }
        return counters
    }

    /// The sum of everything that the store holds, over all clients and events.
    func total() async throws -> Int64 {
        var total: Int64 = 0
        for client in try await self.clients() {
            total += try await self.counters(client.client).values.reduce(0, +)
        }
        return total
    }
}

/// Names that something on the way might change, or take for one another.
let namesThatHurt: [Name] = [
    "A", "a", "é", "e\u{301}", "\u{212B}", "\u{C5}", "😀", "👩‍👩‍👧", "a.b", "$set", "%", "%41", "'",
    "\"; DROP TABLE counts; --",
    "1", "01", "1.0", "1e3", "NULL", "-", "x y", "\u{FEFF}", "\u{202E}abc", "\u{FFFD}", "\u{10FFFF}", "ß", "SS",
    Name(String(repeating: "é", count: 32)),
]

/// SplitMix64 (https://prng.di.unimi.it/splitmix64.c): small, and the same on every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// Somebody else who writes to the file, and holds its lock as long as a test wants.
struct OtherProcess {
    private let connection: DatabaseQueue

    init(_ path: String) throws {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        self.connection = try DatabaseQueue(path: path, configuration: configuration)
    }

    func lock() throws { try self.connection.writeWithoutTransaction { try $0.beginTransaction(.immediate) } }

    func unlock() throws { try self.connection.writeWithoutTransaction { try $0.rollback() } }
}

/// A value that several tasks change; a `Mutex` alone cannot be shared by closures.
final class Shared<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>

    init(_ value: Value) { self.storage = Mutex(value) }

    var value: Value {
        get { self.storage.withLock { $0 } }
        set { self.storage.withLock { $0 = newValue } }
    }

    func change(_ body: (inout Value) -> Void) { self.storage.withLock { body(&$0) } }
}
