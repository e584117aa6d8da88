import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("Counting a batch once", .serverLogs)
struct OnceTests {
    @Test("a batch that is applied again changes nothing")
    func again() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let first = batch(epoch, 1, [counts("acme", "cta", [("A", 5)], purchase: [("A", 1)])])
        try await database.withStore { store in
            try await store.apply(first)
            let before = try await database.document("acme", "cta")
            try await store.apply(first)
            // And where the ledger does not know that it is finished: the document itself does.
            try await database.rewind(epoch)
            try await store.apply(first)
            #expect(try await database.document("acme", "cta") == before)
        }
        #expect(try await database.epoch(epoch)?["lastNumber"] == .int64(1))
    }

    @Test("five flushers of two processes that apply the same first batch at once count it once, 20 times over")
    func sameBatchAtOnce() async throws {
        let database = try await Database.fresh()
        try await database.withStore { one in
            try await database.withStore { two in
                for round in 1...20 {
                    let epoch = Epoch.random()
                    let documents = (0..<8).map { counts("acme", Name("\(round) \($0)"), [("A", 3), ("B", 1)]) }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for flusher in 0..<5 {
                            group.addTask { try await (flusher % 2 == 0 ? one : two).apply(batch(epoch, 1, documents)) }
                        }
                        try await group.waitForAll()
                    }
                    #expect(try await database.epoch(epoch)?["total"] == .int64(32))
                }
                let tests = try #require(try await one.metrics(client: "acme", test: nil)).tests
                #expect(tests.count == 160)
                #expect(tests.allSatisfy { $0.views == ["A": 3, "B": 1] && $0.total == 4 })
            }
        }
        let ordinals = try await database.server.documents(database: database.name, collection: "tally.epochs")
            .compactMap { $0["ordinal"]?.int64 }.sorted()
        #expect(ordinals == Array(1...20))
    }

    @Test("first inserts of one document by different buffers that meet are all counted, 20 times over")
    func differentBatchesAtOnce() async throws {
        let database = try await Database.fresh()
        try await database.withStore { one in
            try await database.withStore { two in
                let epochs = (0..<4).map { _ in Epoch.random() }
                for round in 1...20 {
                    let documents = (0..<8).map { counts("acme", Name("\(round) \($0)"), [("A", 3)]) }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (place, epoch) in epochs.enumerated() {
                            group.addTask {
                                try await (place % 2 == 0 ? one : two).apply(batch(epoch, Int64(round), documents))
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                let tests = try #require(try await one.metrics(client: "acme", test: nil)).tests
                #expect(tests.count == 160)
                #expect(tests.allSatisfy { $0.views == ["A": 12] && $0.total == 12 })
            }
        }
        let ledger = try await database.server.documents(database: database.name, collection: "tally.epochs")
        #expect(ledger.compactMap { $0["ordinal"]?.int64 }.sorted() == [1, 2, 3, 4])
        #expect(ledger.allSatisfy { $0["total"] == .int64(480) && $0["lastNumber"] == .int64(20) })
    }

    @Test("what a stopped flusher had already written is not written again; the rest is")
    func afterAStop() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let part = [counts("acme", "b", [("A", 1)])]
        let whole = [
            counts("acme", "a", [("A", 1)]), counts("acme", "b", [("A", 1)]), counts("other", "a", [("A", 1)]),
        ]
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, part))
            try await database.rewind(epoch)
            try await store.apply(batch(epoch, 1, whole))
            let acme = try #require(try await store.metrics(client: "acme", test: nil))
            #expect(acme.tests.map(\.total) == [1, 1])
            #expect(try await store.metrics(client: "other", test: nil)?.tests.map(\.total) == [1])
        }
        let hourly = try await database.server.documents(database: database.name, collection: "acme.hourly")
        #expect(hourly.map { $0["hours", "10", "view", "A"] } == [.int64(1), .int64(1)])
    }

    @Test("numbers that the store never saw are noticed and said, and what comes after them is counted")
    func gap() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let log = LogRecorder()
        try await database.withStore(logger: log.logger) { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
            #expect(log.texts.allSatisfy { !$0.contains("missing from the store") })
            try await store.apply(batch(epoch, 4, [counts("acme", "cta", [("A", 1)])]))
            let warning = try #require(log.texts.first { $0.contains("missing from the store") })
            #expect(warning.hasPrefix("warning"))
            #expect(warning.contains("last_applied=1") && warning.contains("applying=4"))
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 2)
        }
    }
}
