import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("Dead letters", .serverLogs)
struct DeadLetterTests {
    /// A document that takes no counts until `mend`.
    private func breakDocument(_ database: Database, _ client: String = "acme", _ test: String = "broken") async throws
    {
        try await database.server.insert(
            [["_id": .string(test), "variations": "by hand"]], database: database.name, collection: client)
    }

    private func mend(_ database: Database, _ client: String = "acme", _ test: String = "broken") async throws {
        try await database.change(client, id: .string(test), ["$unset": ["variations": ""]])
    }

    private func letters(_ database: Database) async throws -> [BSONDocument] {
        try await database.server.documents(database: database.name, collection: "tally.deadletters")
    }

    @Test("what one document refuses is kept and said, and holds up neither its batch nor any other document")
    func refused() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch(0xAB)
        try await self.breakDocument(database)
        let documents =
            ["a", "z"].map { counts("acme", $0, [("A", 2)]) } + [
                counts("acme", "broken", [("A", 2)], purchase: [("B", 1)]), counts("other", "a", [("A", 2)]),
            ]
        let log = LogRecorder()
        try await database.withStore(logger: log.logger) { store in
            try await store.apply(batch(epoch, 1, documents))
            #expect(try await database.document("acme", "z")?["total"] == .int64(2))
            #expect(try await database.document("other", "a")?["total"] == .int64(2))
            #expect(try await database.document("acme", "broken") == ["_id": "broken", "variations": "by hand"])
            let queue = try #require(try await store.deadLetters().first)
            #expect(queue.collection == "acme" && queue.test == "broken" && queue.day == nil)
            #expect(queue.batches == 1 && queue.total == 3)
            #expect(queue.reason.contains("variations"))
        }
        // Its hours lie in another document, which has no objection.
        let hours = try await database.server.documents(
            database: database.name, collection: "acme.hourly", filter: ["_id.test": "broken"])
        #expect(hours.map { $0["hours", "10", "view", "A"] } == [.int64(2)])
        #expect(try await database.epoch(epoch)?["lastNumber"] == .int64(1))
        #expect(try await database.epoch(epoch)?["total"] == .int64(9))

        let error = log.texts.filter { $0.hasPrefix("error") }
        #expect(error.count == 1)
        #expect(error.first?.contains("tally flush --dead-letters") == true)
        #expect(error.first?.contains("collection=acme ") == true && error.first?.contains("test=broken") == true)

        var letter = try #require(try await self.letters(database).first)
        let code = letter["code"]?.integer
        #expect(code == 28 || code == 14 || code == 2)  // PathNotViable, TypeMismatch, BadValue
        letter.fields.removeAll { ["code", "message", "at"].contains($0.name) }
        #expect(
            letter == [
                "_id": ["epoch": "00000000000000ab", "number": .int64(1), "collection": "acme", "document": "broken"],
                "ordinal": .int64(1),
                "hour": .date(millisecondsSince1970: morning.secondsSince1970 * 1000),
                "sealedAt": .date(millisecondsSince1970: (morning.secondsSince1970 + 2700) * 1000),
                "counts": [
                    ["variation": "A", "event": "view", "count": .int64(2)],
                    ["variation": "B", "event": "purchase", "count": .int64(1)],
                ],
                "total": .int64(3),
            ])
    }

    @Test(
        "later batches of the document wait behind the first, also when it would take them; all are replayed in order")
    func queued() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let next = Hour(hoursSince1970: morning.hoursSince1970 + 1)
        try await self.breakDocument(database)
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "broken", [("A", 1)])]))
            try await self.mend(database)
            // The second would make the first a no-op.
            try await store.apply(
                batch(epoch, 2, at: next, [counts("acme", "broken", [("A", 10)]), counts("acme", "fine", [("A", 10)])]))
            try await store.apply(batch(epoch, 3, at: next, [counts("acme", "broken", [("B", 100)])]))
            #expect(try await database.document("acme", "broken") == ["_id": "broken"])
            #expect(try await database.document("acme", "fine")?["total"] == .int64(10))
            #expect(try await store.deadLetters().map(\.batches) == [3])

            let report = try await store.replayDeadLetters()
            #expect(report.documents == 1 && report.batches == 3 && report.total == 111)
            #expect(report.refused.isEmpty)
            let test = try #require(try await store.metrics(client: "acme", test: "broken")?.tests.first)
            #expect(test.views == ["A": 11, "B": 100])
            #expect(test.firstTrackedAt == morning.secondsSince1970)
            #expect(test.updatedAt == next.secondsSince1970 + 2700)

            // Again, and then as ever.
            #expect(try await store.replayDeadLetters() == DeadLetterReport())
            try await store.apply(batch(epoch, 4, at: next, [counts("acme", "broken", [("A", 1000)])]))
            #expect(try await store.metrics(client: "acme", test: "broken")?.tests.first?.views["A"] == 1011)
        }
        #expect(try await self.letters(database).isEmpty)
    }

    @Test("a document that refuses still keeps its letters, while those of others move; why it does is written down")
    func stillRefused() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        for test in ["one", "two"] { try await self.breakDocument(database, "acme", test) }
        let documents = ["one", "two"].map { counts("acme", $0, [("A", 1)]) }
        try await database.withStore { store in
            for number in 1...2 { try await store.apply(batch(epoch, Int64(number), documents)) }
            try await self.mend(database, "acme", "two")
            try await database.change("acme", id: "one", ["$set": ["variations": [:], "total": "many"]])
            let report = try await store.replayDeadLetters()
            #expect(report.documents == 1 && report.batches == 2 && report.total == 2)
            #expect(report.refused.map(\.test) == ["one"])
            #expect(report.refused.map(\.batches) == [2])
            #expect(report.refused.first?.reason.contains("total") == true)
            #expect(try await store.metrics(client: "acme", test: "two")?.tests.first?.total == 2)
        }
    }

    @Test("marks that were changed by hand are a document's own fault, also in its hours")
    func marks() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let day: BSONValue = ["test": "cta", "day": .date(millisecondsSince1970: morning.day * 86_400_000)]
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
            let mark = "applied.\(epoch)"
            try await database.change("acme.hourly", id: day, ["$set": [(mark): "two"]])
            for number: Int64 in 2...3 {
                try await store.apply(batch(epoch, number, [counts("acme", "cta", [("A", 1)])]))
            }
            #expect(try await store.metrics(client: "acme", test: "cta")?.tests.first?.total == 3)
            let queue = try #require(try await store.deadLetters().first)
            #expect(queue.collection == "acme.hourly" && queue.day == morning.day && queue.batches == 2)
            // The hours are the same counts a second time: nothing is missing from the totals.
            #expect(try await self.letters(database).map { $0["total"] } == [.int64(0), .int64(0)])

            try await database.change("acme.hourly", id: day, ["$set": [(mark): .int64(1)]])
            let report = try await store.replayDeadLetters()
            #expect(report.batches == 2 && report.refused.isEmpty)
        }
        let hourly = try await database.server.documents(database: database.name, collection: "acme.hourly")
        #expect(hourly.map { $0["hours", "10", "view", "A"] } == [.int64(3)])
    }

    @Test("an epoch with dead letters is not pruned below when it is closed, so that its replay still counts")
    func horizon() async throws {
        let database = try await Database.fresh()
        let (old, new) = (Epoch.random(), Epoch.random())
        try await self.breakDocument(database)
        try await database.withStore { store in
            try await store.apply(
                batch(old, 1, [counts("acme", "broken", [("A", 1)]), counts("acme", "fine", [("A", 1)])]))
            try await store.close(old)
            try await self.mend(database)
            try await store.apply(
                batch(new, 1, [counts("acme", "broken", [("A", 10)]), counts("acme", "fine", [("A", 10)])]))
            let applied = try #require(try await database.document("acme", "fine")?["applied"]?.document)
            #expect(Set(applied.names) == [old.description, new.description])
            #expect(try await store.replayDeadLetters().total == 11)
            #expect(try await store.metrics(client: "acme", test: "broken")?.tests.first?.total == 11)

            // From now on it goes as ever.
            try await store.apply(batch(new, 2, [counts("acme", "fine", [("A", 100)])]))
            let pruned = try #require(try await database.document("acme", "fine")?["applied"]?.document)
            #expect(Set(pruned.names) == [new.description, "floor"])
        }
    }

    @Test("a flush that stopped after it had kept a letter, and before it had finished, keeps it once")
    func afterAStop() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let document = [counts("acme", "broken", [("A", 1)])]
        try await self.breakDocument(database)
        try await database.withStore { store in
            try await store.apply(batch(epoch, 1, document))
            try await database.rewind(epoch)
            try await self.mend(database)
            try await store.apply(batch(epoch, 1, document))
            #expect(try await store.deadLetters().map(\.batches) == [1])
            // And a letter that comes back when its counts are there already moves nothing.
            let letter = try await self.letters(database)
            #expect(try await store.replayDeadLetters().batches == 1)
            try await database.server.insert(letter, database: database.name, collection: "tally.deadletters")
            #expect(try await store.replayDeadLetters().refused.isEmpty)
            #expect(try await store.metrics(client: "acme", test: "broken")?.tests.first?.total == 1)
        }
    }

    @Test("replays and flushes that run side by side count everything once, 10 times over")
    func sideBySide() async throws {
        let database = try await Database.fresh()
        try await database.withStore { one in
            try await database.withStore { two in
                for round in 1...10 {
                    let epoch = Epoch.random()
                    let test = Name("\(round)")
                    try await self.breakDocument(database, "acme", test.string)
                    let batches = (1...6).map { batch(epoch, Int64($0), [counts("acme", test, [("A", Int64($0))])]) }
                    for batch in batches.prefix(2) { try await one.apply(batch) }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for store in [one, two] {
                            group.addTask { for batch in batches { try await store.apply(batch) } }
                            group.addTask { for _ in 1...5 { _ = try await store.replayDeadLetters() } }
                        }
                        group.addTask { try await self.mend(database, "acme", test.string) }
                        try await group.waitForAll()
                    }
                    #expect(try await one.replayDeadLetters().refused.isEmpty)
                    #expect(try await one.metrics(client: "acme", test: test)?.tests.first?.views == ["A": 21])
                }
            }
        }
        #expect(try await self.letters(database).isEmpty)
    }

    @Test("what is the server's fault keeps the batch pending and leaves no letter")
    func serversFault() async throws {
        let server = try await MongoServer.start(replicaSet: true, extra: ["--setParameter", "enableTestCommands=1"])
        let database = Database(server: server, name: "store")
        let epoch = Epoch.random()
        try await database.withStore { store in
            for code: BSONValue in [14031, 13, 91] {
                try await server.command(
                    [
                        "configureFailPoint": "failCommand", "mode": ["times": 2],
                        "data": ["failCommands": ["insert"], "errorCode": code, "namespace": "store.acme"],
                    ], database: "admin")
                await #expect(throws: StoreError.self) {
                    try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
                }
                try await server.command(["configureFailPoint": "failCommand", "mode": "off"], database: "admin")
                // A server that said it was going down is looked for anew by the driver.
                try await eventually(within: .seconds(30), "the server to be found") {
                    (try? await store.ping()) != nil
                }
                #expect(try await store.deadLetters().isEmpty)
                #expect(try await database.epoch(epoch)?["lastNumber"] == .int64(0))
            }
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
            #expect(try await store.metrics(client: "acme", test: "cta")?.tests.first?.total == 1)
        }
    }

    @Test("of many refused documents the log names ten, and says how many more")
    func manyInLog() async throws {
        let database = try await Database.fresh()
        let names = (0..<25).map { "test \($0)" }
        try await database.server.insert(
            names.map { ["_id": .string($0), "variations": 1] }, database: database.name, collection: "acme")
        let log = LogRecorder()
        try await database.withStore(logger: log.logger) { store in
            try await store.apply(batch(.random(), 1, names.map { counts("acme", Name($0), [("A", 1)]) }))
            #expect(try await store.deadLetters().count == 25)
        }
        let errors = log.texts.filter { $0.hasPrefix("error") }
        #expect(errors.count == 11)
        #expect(errors.last?.contains("documents=15") == true)
    }
}
