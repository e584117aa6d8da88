import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("Reading from MongoDB", .serverLogs)
struct ReadingTests {
    @Test("a client that nothing was flushed for has no numbers; an unknown test gives an empty list")
    func unknown() async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in
            #expect(try await store.metrics(client: "acme", test: nil) == nil)
            #expect(try await store.metrics(client: "acme", test: "cta") == nil)
            #expect(try await store.clients().isEmpty)
            try await store.apply(batch(.random(), 1, [counts("acme", "cta", [("A", 1)])]))
            #expect(try await store.metrics(client: "acme", test: "other")?.tests == [])
            #expect(try await store.metrics(client: "acme", test: "cta")?.tests.map(\.test) == ["cta"])
            #expect(try await store.metrics(client: "Acme", test: nil) == nil)
            #expect(try await store.metrics(client: "acme.hourly", test: nil) == nil)
            #expect(try await store.metrics(client: "tally.epochs", test: nil) == nil)
        }
    }

    @Test("the time of the last flush never goes back")
    func flushedAt() async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in
            try await store.apply(batch(.random(), 1, [counts("acme", "cta", [("A", 1)])]))
            // Before the first flush ended, the last update is the best that is known.
            #expect(try await store.metrics(client: "acme", test: nil)?.flushedAt == morning.secondsSince1970 + 2700)
            try await store.recordFlush(at: 1_795_400_000)
            try await store.recordFlush(at: 1_795_399_000)
            #expect(try await store.metrics(client: "acme", test: nil)?.flushedAt == 1_795_400_000)
        }
        #expect(
            try await database.document("tally.state", "flush")
                == ["_id": "flush", "flushedAt": .date(millisecondsSince1970: 1_795_400_000_000)])
    }

    @Test("ten first flushes that end at once leave the latest time")
    func flushesAtOnce() async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for second in 1...10 { group.addTask { try await store.recordFlush(at: Int64(second)) } }
                try await group.waitForAll()
            }
        }
        #expect(
            try await database.document("tally.state", "flush")?["flushedAt"] == .date(millisecondsSince1970: 10_000))
    }

    @Test("clients are listed by their bytes, with tests, default event and last update, and nothing of tally's own")
    func clients() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let later = Hour(hoursSince1970: morning.hoursSince1970 + 5)
        try await database.withStore { store in
            try await store.apply(
                batch(
                    epoch, 1,
                    [
                        counts("b", "1", [("A", 1)], purchase: [("A", 7)]), counts("b", "2", [("A", 2), ("B", 3)]),
                        counts("Z", "1", [("A", 4)]), counts("a-b", "1", purchase: [("A", 1)]),
                    ]))
            try await store.apply(batch(epoch, 2, at: later, [counts("b", "1", [("A", 1)])]))
            try await store.recordFlush(at: later.secondsSince1970)
            try await database.server.insert([["_id": 7]], database: database.name, collection: "foreign")
            let first = morning.secondsSince1970 + 2700
            #expect(
                try await store.clients() == [
                    ClientSummary(client: "Z", tests: 1, total: 4, updatedAt: first),
                    ClientSummary(client: "a-b", tests: 1, total: 0, updatedAt: first),
                    ClientSummary(client: "b", tests: 2, total: 7, updatedAt: later.secondsSince1970 + 2700),
                ])
            #expect(try await store.metrics(client: "foreign", test: nil) == nil)
        }
    }

    @Test(
        "what tally does not write is said, not guessed",
        arguments: [
            ["variations": ["A": "five"]], ["variations": ["A": .double(1.5)]], ["variations": 5],
            ["events": ["buy": 1]],
            ["variations": ["a b": .int64(1)]], ["total": .null], ["updatedAt": .int64(5)], ["firstTrackedAt": "today"],
        ] as [BSONDocument])
    func malformed(change: BSONDocument) async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in
            try await store.apply(batch(.random(), 1, [counts("acme", "cta", [("A", 1)])]))
            try await database.change("acme", id: "cta", ["$set": .document(change)])
            let failure = await #expect(throws: StoreError.self) {
                _ = try await store.metrics(client: "acme", test: nil)
            }
            #expect(failure?.code == .malformed)
        }
    }

    @Test("the path of the connection string names the database, else it is tally")
    func database() async throws {
        let server = try await MongoServer.start()
        let store = try MongoStore(uri: "mongodb://127.0.0.1:\(server.port)", logger: .silent)
        try await store.apply(batch(.random(), 1, [counts("acme", "cta", [("A", 1)])]))
        await store.shutdown()
        #expect(try await server.collections(database: "tally") == ["acme", "acme.hourly", "tally.epochs"])
    }
}
