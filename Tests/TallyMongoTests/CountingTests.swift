import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("Adding batches to MongoDB", .serverLogs)
struct CountingTests {
    @Test("a new client's document has the shape that scripts rely on, in 64-bit integers")
    func shape() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch(0xAB)
        try await database.withStore { store in
            try await store.apply(
                batch(epoch, 1, [counts("acme", "cta", [("A", 5), ("B", 4)], purchase: [("A", 2)])]))
        }
        let first = BSONValue.date(millisecondsSince1970: morning.secondsSince1970 * 1000)
        let updated = BSONValue.date(millisecondsSince1970: (morning.secondsSince1970 + 2700) * 1000)
        #expect(
            try await database.document("acme", "cta") == [
                "_id": "cta",
                "variations": ["A": .int64(5), "B": .int64(4)],
                "total": .int64(9),
                "events": ["purchase": ["A": .int64(2)]],
                "firstTrackedAt": first,
                "updatedAt": updated,
                "applied": ["00000000000000ab": .int64(1)],
            ])
        let hourly = try await database.server.documents(database: database.name, collection: "acme.hourly")
        #expect(
            hourly == [
                [
                    "_id": ["test": "cta", "day": .date(millisecondsSince1970: morning.day * 86_400_000)],
                    "hours": ["10": ["purchase": ["A": .int64(2)], "view": ["A": .int64(5), "B": .int64(4)]]],
                    "updatedAt": updated,
                    "applied": ["00000000000000ab": .int64(1)],
                ]
            ])
        let record = try #require(try await database.epoch(epoch))
        guard case .date(let finished) = record["finishedAt"] else { throw TestSupportError("\(record)") }
        #expect(abs(finished / 1000 - Timestamp.now()) < 600)
        #expect(
            record == [
                "_id": "00000000000000ab", "ordinal": .int64(1), "buffer": "redis", "openedAt": updated,
                "lastNumber": .int64(1), "total": .int64(11), "begun": .int64(1),
                "finishedAt": .date(millisecondsSince1970: finished),
            ])
        #expect(
            try await database.server.collections(database: database.name) == ["acme", "acme.hourly", "tally.epochs"])
    }

    @Test("the next batches add to what is there, and move only the last update")
    func nextBatch() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let later = Hour(hoursSince1970: morning.hoursSince1970 + 1)
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 5)])]))
            try await store.apply(batch(epoch, 2, at: later, [counts("acme", "cta", [("A", 1), ("B", 7)])]))
            try await store.apply(batch(epoch, 3, at: later, [counts("acme", "cta", purchase: [("B", 3)])]))
            let test = try #require(try await store.metrics(client: "acme", test: "cta")?.tests.first)
            #expect(test.views == ["A": 6, "B": 7])
            #expect(test.total == 13)
            #expect(test.events == [.init(name: "purchase", variations: [.init(name: "B", count: 3)])])
            #expect(test.firstTrackedAt == morning.secondsSince1970)
            #expect(test.updatedAt == later.secondsSince1970 + 2700)
        }
        #expect(try await database.epoch(epoch)?["total"] == .int64(16))
    }

    /// Names that mean something to MongoDB, that Swift takes for equal, or that meet the encoding.
    static let hurtful: [Name] = [
        "a.b", "$set", "$$ROOT", "$", ".", "..", "0", "-1", "_id", "__proto__", "%41", "%", "%zz", "a b", "floor",
        "view",
        "caf\u{E9}", "cafe\u{301}", "👩‍👩‍👧", "\"'\\{}[]", "applied", "日本語", "A", "a",
        Name(String(repeating: "é", count: 32)),
    ]

    @Test("names come back as they went in, byte for byte, whatever they hold")
    func names() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let documents = Self.hurtful.enumerated().map { index, test in
            DocumentCounts(
                client: "acme", test: test,
                counts: Self.hurtful.enumerated().flatMap { place, name in
                    [
                        DocumentCounts.Count(variation: name, event: .view, count: Int64(1 + index + place)),
                        DocumentCounts.Count(variation: "A", event: name, count: Int64(100 + place)),
                    ]
                }.filter { !($0.variation == "A" && $0.event == .view) }.sorted {
                    ($0.variation, $0.event) < ($1.variation, $1.event)
                })
        }
        let metrics = try await database.withStore { store in
            try await store.apply(batch(epoch, 1, documents))
            try await store.apply(batch(epoch, 2, documents))
            return try await store.metrics(client: "acme", test: nil)
        }
        let tests = try #require(metrics).tests
        #expect(tests.map(\.test) == Self.hurtful.sorted())
        for (index, name) in Self.hurtful.enumerated() {
            let test = try #require(tests.first { $0.test == name })
            let views = Self.hurtful.enumerated().filter { $0.element != "A" }
            #expect(
                test.variations
                    == views.map { .init(name: $0.element, count: Int64(2 * (1 + index + $0.offset))) }
                    .sorted { $0.name < $1.name })
            let others = Self.hurtful.enumerated().filter { $0.element != .view }
            #expect(
                test.events
                    == others.map {
                        .init(name: $0.element, variations: [.init(name: "A", count: Int64(2 * (100 + $0.offset)))])
                    }
                    .sorted { $0.name < $1.name })
            #expect(test.total == test.variations.reduce(0) { $0 + $1.count })
        }
    }

    @Test("counts beyond 32 bits, and beyond what a double holds, are exact")
    func large() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let large: Int64 = 1 << 53
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", large), ("B", 1 << 31)])]))
            try await store.apply(batch(epoch, 2, [counts("acme", "cta", [("A", 1), ("B", 1 << 31)])]))
            let test = try #require(try await store.metrics(client: "acme", test: "cta")?.tests.first)
            #expect(test.views == ["A": large + 1, "B": 1 << 32])
            #expect(test.total == large + 1 + 1 << 32)
            #expect(try await store.clients().first?.total == large + 1 + 1 << 32)
        }
        #expect(try await database.document("acme", "cta")?["variations", "A"] == .int64(large + 1))
    }

    @Test("a sum that does not fit 64 bits is refused, not rounded")
    func overflow() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let most = BSONValue.int64(.max - 1)
        try await database.server.insert(
            [["_id": "cta", "variations": ["A": most], "total": most]], database: database.name, collection: "acme")
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 5)])]))
            #expect(try await store.deadLetters().map(\.total) == [5])
        }
        #expect(try await database.document("acme", "cta")?["variations", "A"] == most)
    }

    @Test("the hours add up to the totals, across midnight, in one document per day")
    func hours() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        try await database.withStore { store in
            for number in 1...30 {
                let hour = Hour(hoursSince1970: morning.hoursSince1970 + Int64(number) - 1)
                try await store.apply(
                    batch(
                        epoch, Int64(number), at: hour,
                        [counts("acme", "cta", [("A", Int64(number)), ("B", 1)], purchase: [("A", 2)])]))
            }
        }
        let days = try await database.server.documents(database: database.name, collection: "acme.hourly")
        let hours = days.map { $0["hours"]?.document?.names ?? [] }
        #expect(hours.map(\.count) == [14, 16])
        #expect(hours.map(\.first) == ["10", "00"])
        #expect(hours.map(\.last) == ["23", "15"])
        func sum(_ event: String, _ variation: String) -> Int64 {
            days.flatMap { $0["hours"]?.document?.fields ?? [] }
                .reduce(0) { $0 + ($1.value.document?[event, variation]?.int64 ?? 0) }
        }
        let totals = try #require(try await database.document("acme", "cta"))
        #expect(sum("view", "A") == 465)
        #expect(totals["variations", "A"] == .int64(465))
        #expect(sum("view", "B") == 30)
        #expect(totals["variations", "B"] == .int64(30))
        #expect(sum("purchase", "A") == 60)
        #expect(totals["events", "purchase", "A"] == .int64(60))
    }

    @Test("a batch of many documents, clients and counters is applied whole, twice over")
    func many() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let clients = (0..<5).map { Name("client\($0)") }
        let documents = clients.flatMap { client in
            (0..<300).map {
                counts(client, Name("test \($0)"), [("A", Int64($0) + 1), ("B", 1)], purchase: [("A", 1)])
            }
        }
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, documents))
            try await store.apply(batch(epoch, 2, documents))
            let expected = Int64(2 * (300 * 301 / 2 + 300))
            #expect(
                try await store.clients().map { "\($0.client) \($0.tests) \($0.total)" }
                    == clients.map { "\($0) 300 \(expected)" })
        }
        #expect(
            try await database.server.command(["count": "client4.hourly"], database: database.name)["n"]?.integer == 300
        )
    }

    @Test("an update that does not fit one command is split")
    func largeCommands() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        // 30 documents, 400 counters each, names of 64 bytes that triple in length: about 20 MB of statements.
        let documents = (0..<30).map { test in
            counts(
                "acme", Name("test\(test)"),
                (0..<400).map { place in
                    (Name(String(repeating: "é", count: 30) + "\(1000 + place)"), 1)
                })
        }
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, documents))
            let summary = try #require(try await store.clients().first)
            #expect(summary.tests == 30)
            #expect(summary.total == 12_000)
        }
    }
}
