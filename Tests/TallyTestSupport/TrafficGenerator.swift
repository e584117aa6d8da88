import NIOHTTP1
import Synchronization
import TallyCore

/// Sends counts to `/track` over many connections, in every form, and writes into a ledger what became of them.
///
/// The requests follow from the seed; only how the connections interleave does not.
public struct TrafficGenerator: Sendable {
    public struct Plan: Sendable {
        public var seed: UInt64
        public var connections: Int
        /// The counts to send in all, over all connections.
        public var counts: Int
        /// How many counters there are, in so many clients.
        public var counters: Int
        public var clients: Int
        public var forms: [TrackForm]
        /// The most items of a batch, and the highest count of an item.
        public var itemsPerBatch: Int
        public var countPerItem: Int
        /// Whether what was answered with 503 is sent again, after a short pause, until it is counted.
        public var retriesRefused: Bool
        /// Whether every item has an event ID. Then what was not answered is sent again under the same IDs until it is
        /// acknowledged, also when the run is stopped, so that nothing is left unanswered.
        public var eventIDs: Bool
        /// How long a connection rests after every request.
        public var pause: Duration
        /// How long to try to connect again before a connection gives up.
        public var reconnectsWithin: Duration
        /// How long to wait for an answer before the connection is given up, and its counts are unanswered.
        public var timeout: Duration

        public init(
            seed: UInt64 = 1, connections: Int = 8, counts: Int = 10_000, counters: Int = 100, clients: Int = 3,
            forms: [TrackForm] = TrackForm.allCases, itemsPerBatch: Int = 20, countPerItem: Int = 5,
            retriesRefused: Bool = true, eventIDs: Bool = false, pause: Duration = .zero,
            reconnectsWithin: Duration = .seconds(20),
            timeout: Duration = .seconds(20)
        ) {
            self.seed = seed
            self.connections = connections
            self.counts = counts
            self.counters = counters
            self.clients = clients
            self.forms = forms
            self.itemsPerBatch = itemsPerBatch
            self.countPerItem = countPerItem
            self.retriesRefused = retriesRefused
            self.eventIDs = eventIDs
            self.pause = pause
            self.reconnectsWithin = reconnectsWithin
            self.timeout = timeout
        }
    }

    /// What came of it, in numbers of requests.
    public struct Report: Sendable, Equatable {
        public var acknowledged = 0
        public var unanswered = 0
        public var refused = 0
        public var reconnects = 0
        /// Requests that were acknowledged as duplicates.
        public var duplicates = 0
        /// Answers that fit no promise, in words; should be empty. The first 20.
        public var surprises: [String] = []

        public init() {}

        public var requests: Int { self.acknowledged + self.unanswered + self.refused }

        fileprivate mutating func surprise(_ text: String) {
            if self.surprises.count < 20 { self.surprises.append(text) }
        }

        fileprivate static func + (left: Report, right: Report) -> Report {
            var sum = left
            sum.acknowledged += right.acknowledged
            sum.unanswered += right.unanswered
            sum.refused += right.refused
            sum.reconnects += right.reconnects
            sum.duplicates += right.duplicates
            sum.surprises = Array((sum.surprises + right.surprises).prefix(20))
            return sum
        }
    }

    /// Ends a run early, from anywhere; requests under way are finished.
    public final class StopFlag: Sendable {
        private let stopped = Atomic(false)

        public init() {}

        public func stop() { self.stopped.store(true, ordering: .relaxed) }

        public var isStopped: Bool { self.stopped.load(ordering: .relaxed) }
    }

    public let plan: Plan
    public let ledger: Ledger
    /// What is counted; a tenth of them have names that are easily mangled.
    public let counters: [Counter]

    public init(_ plan: Plan, ledger: Ledger) {
        precondition(plan.counters > 0 && plan.clients > 0 && plan.connections > 0 && !plan.forms.isEmpty)
        precondition(plan.itemsPerBatch > 0 && plan.countPerItem > 0)
        self.plan = plan
        self.ledger = ledger
        self.counters = Self.makeCounters(plan)
    }

    /// Sends everything, or until the flag stops it.
    ///
    /// - Parameter ports: where to connect; connection number i takes ports[i modulo their number], also when it connects
    ///   again. With event IDs it goes to the next one, whenever it does not know what became of a request.
    /// - Throws: where a connection cannot be made for as long as the plan allows.
    @discardableResult
    public func run(ports: [Int], stop: StopFlag = StopFlag()) async throws -> Report {
        try await withThrowingTaskGroup(of: Report.self) { group in
            for index in 0..<self.plan.connections {
                let share =
                    self.plan.counts / self.plan.connections
                    + (index < self.plan.counts % self.plan.connections ? 1 : 0)
                group.addTask {
                    try await self.drive(index, counts: share, ports: ports, stop: stop)
                }
            }
            return try await group.reduce(Report()) { $0 + $1 }
        }
    }

    /// The same with one port.
    @discardableResult
    public func run(port: Int, stop: StopFlag = StopFlag()) async throws -> Report {
        try await self.run(ports: [port], stop: stop)
    }

    private func drive(_ index: Int, counts: Int, ports: [Int], stop: StopFlag) async throws -> Report {
        var report = Report()
        var random = SplitMix64(seed: self.plan.seed &+ UInt64(index) &* 0x1000_0001)
        // Of the pauses alone: how often something is sent again must not change what is sent next.
        var patience = SplitMix64(seed: random.next())
        var left = counts
        var sent = 0
        var place = index
        var connection = try await self.connect(ports[place % ports.count])
        while left > 0, !stop.isStopped {
            let idPrefix = self.plan.eventIDs ? "\(self.plan.seed)/\(index)/\(sent)/" : nil
            let request = self.nextRequest(atMost: left, idPrefix: idPrefix, &random)
            sent += 1
            left -= Int(request.total)
            if self.plan.pause > .zero { try await Task.sleep(for: self.plan.pause) }
            var isSettled = false
            while !isSettled {
                do {
                    let response = try await connection.request(
                        request.method, request.path, headers: request.headers, body: request.body)
                    isSettled = self.settle(request, response, &report)
                    if !isSettled {
                        if stop.isStopped && !self.plan.eventIDs { break }
                        // Spread, so that all connections do not come back at the same moment.
                        try await Task.sleep(for: .milliseconds(Int.random(in: 5...40, using: &patience)))
                        if response.status == 504 {
                            place += 1
                            connection = try await self.connect(ports[place % ports.count])
                        }
                    }
                } catch let lost as ConnectionLost {
                    if lost.requestSent && !self.plan.eventIDs {
                        isSettled = true
                        report.unanswered += 1
                        for item in request.items { self.ledger.recordUnanswered(item.counter, item.count) }
                    }
                    report.reconnects += 1
                    if self.plan.eventIDs {
                        place += 1
                        try await Task.sleep(for: .milliseconds(Int.random(in: 5...40, using: &patience)))
                    }
                    connection = try await self.connect(ports[place % ports.count])
                }
            }
        }
        await connection.close()
        return report
    }

    /// Writes down what an answer means. False: it is to be sent again.
    private func settle(_ request: TrackRequest, _ response: TestResponse, _ report: inout Report) -> Bool {
        switch response.status {
        case 200:
            report.acknowledged += 1
            for item in request.items { self.ledger.recordAcknowledged(item.counter, item.count) }
            let json = try? response.json()
            // A request is counted as a whole, so a duplicate is one as a whole.
            let isDuplicate = self.plan.eventIDs && json?["status"] == .string("duplicate")
            if isDuplicate { report.duplicates += 1 }
            if !isDuplicate, json?["status"] != .string("counted") { report.surprise("200 with \(response.text)") }
            if request.path == "/track", let accepted = json?["accepted"]?.integer,
                accepted != (isDuplicate ? 0 : request.total)
            {
                report.surprise("\(request.total) sent, \(accepted) accepted")
            }
            return true
        case 504 where self.plan.eventIDs: return false
        case 504:
            report.unanswered += 1
            for item in request.items { self.ledger.recordUnanswered(item.counter, item.count) }
            return true
        default:
            report.refused += 1
            for item in request.items { self.ledger.recordRefused(item.counter, item.count) }
            guard response.status == 503 else {
                report.surprise("\(response.status) for \(request.items[0].counter): \(response.text)")
                return true
            }
            if response.header("retry-after") == nil { report.surprise("503 without Retry-After") }
            return !self.plan.retriesRefused
        }
    }

    private func connect(_ port: Int) async throws -> TestConnection {
        var connection: TestConnection?
        try await eventually(within: self.plan.reconnectsWithin, "a connection to port \(port)") {
            connection = try await TestConnection.connect(port: port, timeout: self.plan.timeout)
            return true
        }
        guard let connection else { throw TestSupportError("no connection to port \(port)") }
        return connection
    }

    private func nextRequest(atMost left: Int, idPrefix: String?, _ random: inout SplitMix64) -> TrackRequest {
        func id(_ item: Int) -> String? { idPrefix.map { $0 + String(item) } }
        let form = self.plan.forms.randomElement(using: &random) ?? .get
        guard form.isBatch else { return TrackRequest(form, [TrackRequest.Item(self.pick(&random), eventID: id(0))]) }
        var left = left
        var items: [TrackRequest.Item] = []
        for _ in 0..<Int.random(in: 1...self.plan.itemsPerBatch, using: &random) where left > 0 {
            let count = min(left, Int.random(in: 1...self.plan.countPerItem, using: &random))
            left -= count
            items.append(TrackRequest.Item(self.pick(&random), Int64(count), eventID: id(items.count)))
        }
        return TrackRequest(form, items)
    }

    /// Some counters are hit much more often than others, as in life: the smaller of two draws.
    private func pick(_ random: inout SplitMix64) -> Counter {
        let range = 0..<self.counters.count
        return self.counters[min(Int.random(in: range, using: &random), Int.random(in: range, using: &random))]
    }

    private static func makeCounters(_ plan: Plan) -> [Counter] {
        (0..<plan.counters).map { index in
            let client = Name("client-\(index % plan.clients)")
            let withinClient = index / plan.clients
            // Four variations and two events make a test of eight counters.
            let test = "test-\(withinClient / 8)"
            let variation = "ABCD".map(String.init)[withinClient % 4]
            let event = withinClient / 4 % 2 == 0 ? "view" : "purchase"
            guard index % 10 == 9 else {
                return Counter(client: client, test: Name(test), variation: Name(variation), event: Name(event))
            }
            // The number makes it unique; the nasty part goes round the three places. It names the test, too, so that no
            // test has more variations or events than are taken, however many counters there are.
            let nasty = self.nastyNames[index / 10 % self.nastyNames.count]
            let number = "-\(index / 10 / self.nastyNames.count)"
            switch index / 10 % 3 {
            case 0:
                return Counter(
                    client: client, test: Name(nasty + number), variation: Name(variation), event: Name(event))
            case 1:
                return Counter(
                    client: client, test: Name("nasty" + number), variation: Name(nasty + number), event: Name(event))
            default:
                return Counter(
                    client: client, test: Name("nasty events" + number), variation: "A", event: Name(nasty + number))
            }
        }
    }

    /// Names that something on the way may take apart, for special, or for one another.
    public static let nastyNames = [
        "a.b", "$inc", "caf\u{E9}", "cafe\u{301}", "\u{1F600}\u{1F3FD}", "100%", "%24", "a b", "a+b", "a&b=c", "\"'\\",
        "__proto__", "\u{202E}x", "_id", "null", "{}", "a/b", "a:b", "A", "a",
    ]
}
