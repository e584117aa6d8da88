import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("Epochs and their marks", .serverLogs)
struct EpochTests {
    @Test("two buffers' batches of one document are counted side by side")
    func interleaved() async throws {
        let database = try await Database.fresh()
        let (one, two) = (Epoch.random(), Epoch.random())
        try await database.withStore { store in
            for number in 1...3 {
                for epoch in [one, two] {
                    let next = batch(epoch, Int64(number), [counts("acme", "cta", [("A", 1)])])
                    try await store.apply(next)
                    try await store.apply(next)
                }
            }
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 6)
        }
        let applied = try #require(try await database.document("acme", "cta")?["applied"]?.document)
        #expect(applied[one.description] == .int64(3))
        #expect(applied[two.description] == .int64(3))
        #expect(applied.fields.count == 2)
    }

    @Test("a closed epoch is recorded once, and its marks go with the next update")
    func pruning() async throws {
        let database = try await Database.fresh()
        let (old, new) = (Epoch.random(), Epoch.random())
        try await database.withStore { store in
            try await store.apply(
                batch(old, 1, [counts("acme", "cta", [("A", 1)]), counts("acme", "idle", [("A", 1)])]))
            try await store.close(old)
            let closedAt = try await database.epoch(old)?["closedAt"]
            #expect(closedAt != nil)
            try await store.close(old)
            #expect(try await database.epoch(old)?["closedAt"] == closedAt)
            try await store.apply(batch(new, 1, [counts("acme", "cta", [("A", 1)])]))
        }
        #expect(
            try await database.document("acme", "cta")?["applied"] == [new.description: .int64(1), "floor": .int64(1)])
        #expect(try await database.document("acme", "idle")?["applied"] == [old.description: .int64(1)])
        let hourly = try await database.server.documents(database: database.name, collection: "acme.hourly")
        #expect(hourly.map { $0["applied"]?.document?.names.contains(old.description) } == [false, true])
    }

    @Test("a flusher that comes late with a batch of a closed epoch changes no document, pruned or not")
    func late() async throws {
        let database = try await Database.fresh()
        let (old, new) = (Epoch.random(), Epoch.random())
        let late = batch(old, 1, [counts("acme", "cta", [("A", 1)]), counts("acme", "idle", [("A", 1)])])
        try await database.withStore { store in
            try await store.apply(late)
            try await store.close(old)
            try await store.apply(batch(new, 1, [counts("acme", "cta", [("A", 1)])]))
            let before = try await database.server.documents(database: database.name, collection: "acme")
            try await store.apply(late)
            // And where it had read the ledger before all of this happened.
            try await database.rewind(old)
            try await store.apply(late)
            #expect(try await database.server.documents(database: database.name, collection: "acme") == before)
            #expect(before.map { $0["total"] } == [.int64(2), .int64(1)])
        }
    }

    @Test("batches that come after their epoch was closed are counted once, with marks pruned or not, and it is said")
    func beyondTheEnd() async throws {
        let database = try await Database.fresh()
        let log = LogRecorder()
        let (epoch, next) = (Epoch.random(), Epoch.random())
        let document = [counts("acme", "cta", [("A", 1)]), counts("acme", "idle", [("A", 1)])]
        try await database.withStore(logger: log.logger) { store in
            try await store.apply(batch(epoch, 1, document))
            try await store.close(epoch)
            // Prunes the marks of one document.
            try await store.apply(batch(next, 1, [counts("acme", "cta", [("A", 1)])]))
            for _ in 1...2 { for number in 1...3 { try await store.apply(batch(epoch, Int64(number), document)) } }
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.map(\.total) == [4, 3])
            // The end comes again, is that of the continuation, and may be passed like the first.
            try await store.close(epoch)
            for _ in 1...2 { for number in 2...4 { try await store.apply(batch(epoch, Int64(number), document)) } }
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.map(\.total) == [5, 4])
            // For the audit it is one epoch.
            let entry = try #require(try await store.ledger().first { $0.epoch == epoch })
            #expect(entry.lastNumber == 4 && entry.total == 8 && !entry.isClosed)
            #expect(try await store.ledger().count == 2)
        }
        let warnings = log.texts.filter { $0.contains("after its epoch had ended") }
        #expect(warnings.count == 3, "\(log.texts)")
    }

    @Test("an epoch is not closed while a batch of it is begun and not finished, so a late end does no harm")
    func closedWhileBegun() async throws {
        let database = try await Database.fresh()
        let epoch = Epoch.random()
        let document = [counts("acme", "cta", [("A", 1)])]
        try await database.withStore { store in
            for number in 1...2 { try await store.apply(batch(epoch, Int64(number), document)) }
            // As when the second batch has reached its documents, and its flusher goes no further.
            try await database.change(
                "tally.epochs", id: .string(epoch.description), ["$set": ["lastNumber": .int64(1)]])
            try await store.close(epoch)
            #expect(try await database.epoch(epoch)?["closedAt"] == nil)
            try await store.apply(batch(epoch, 2, document))
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 2)
            try await store.close(epoch)
            #expect(try await database.epoch(epoch)?["closedAt"] != nil)
        }
    }

    @Test("marks are pruned only below the oldest epoch that is still open")
    func oldestOpen() async throws {
        let database = try await Database.fresh()
        let (open, closed, new) = (Epoch.random(), Epoch.random(), Epoch.random())
        let document = [counts("acme", "cta", [("A", 1)])]
        try await database.withStore { store in
            for epoch in [open, closed] { try await store.apply(batch(epoch, 1, document)) }
            try await store.close(closed)
            try await store.apply(batch(new, 1, document))
            let applied = try #require(try await database.document("acme", "cta")?["applied"]?.document)
            #expect(Set(applied.names) == [open.description, closed.description, new.description])
            try await store.apply(batch(open, 2, document))
            try await store.close(open)
            try await store.apply(batch(new, 2, document))
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 5)
        }
        let applied = try #require(try await database.document("acme", "cta")?["applied"]?.document)
        #expect(applied.fields.count == 2)
        #expect(applied["floor"] == .int64(2))
        #expect(applied[new.description] == .int64(2))
    }

    @Test("a document's marks stay few, however many epochs come and go")
    func bounded() async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in
            for _ in 0..<50 {
                let epoch = Epoch.random()
                try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
                try await store.close(epoch)
            }
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 50)
        }
        #expect(try await database.document("acme", "cta")?["applied"]?.document?.fields.count == 2)
    }

    @Test("an epoch that has been silent for a month is closed, and what comes of it all the same is counted once")
    func silent() async throws {
        let database = try await Database.fresh()
        let log = LogRecorder()
        let (old, new) = (Epoch.random(), Epoch.random())
        let document = [counts("acme", "cta", [("A", 1)])]
        try await database.withStore(logger: log.logger) { store in
            for number in 1...2 { try await store.apply(batch(old, Int64(number), document)) }
            try await database.age(old, days: 29)
            try await store.recordFlush(at: 1)
            #expect(try await database.epoch(old)?["closedAt"] == nil)
            try await database.age(old, days: 31)
            try await store.recordFlush(at: 1)
            #expect(try await database.epoch(old)?["closedAt"] != nil)
            // Its mark goes, and a flusher that thaws late, or a buffer that is there all the same, does no harm.
            try await store.apply(batch(new, 1, document))
            #expect(
                try await database.document("acme", "cta")?["applied"] == [
                    new.description: .int64(1), "floor": .int64(1),
                ])
            for _ in 1...2 { for number in 1...4 { try await store.apply(batch(old, Int64(number), document)) } }
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 5)
            let entry = try #require(try await store.ledger().first { $0.epoch == old })
            #expect(entry.lastNumber == 4 && entry.total == 4 && !entry.isClosed)
            // Its own end is that of the part that goes on.
            try await store.close(old)
            #expect(try await store.ledger().first { $0.epoch == old }?.isClosed == true)
        }
        #expect(log.texts.allSatisfy { !$0.contains("warning") }, "\(log.texts)")
    }

    @Test("is closed by nobody: a batch that is applied in part, an import that stopped; both are told")
    func stuck() async throws {
        let database = try await Database.fresh()
        let (part, file) = (Epoch.random(), Epoch.random())
        let document = [counts("acme", "cta", [("A", 1)])]
        try await database.withStore { store in
            for number in 1...2 { try await store.apply(batch(part, Int64(number), document)) }
            try await store.apply(
                SealedBatch(
                    id: BatchID(epoch: file, number: 1), hour: morning, sealedAt: morning.secondsSince1970,
                    buffer: "import at 2026-11-22T10:00:00Z", documents: document))
            try await database.change(
                "tally.epochs", id: .string(part.description), ["$set": ["lastNumber": .int64(1)]])
            #expect(try await store.stuckEpochs().isEmpty)
            for epoch in [part, file] { try await database.age(epoch, days: 31) }
            try await store.recordFlush(at: 1)
            #expect(
                try await store.stuckEpochs() == [
                    StuckEpoch(epoch: part, origin: .buffer("redis"), begun: 2),
                    StuckEpoch(epoch: file, origin: .file("import at 2026-11-22T10:00:00Z"), begun: 1),
                ])
            // As tally check has it.
            try await database.change(
                "tally.epochs", id: .string(part.description), ["$set": ["lastNumber": .int64(2)]])
            try await store.recordFlush(at: 1)
            #expect(try await store.stuckEpochs().map(\.epoch) == [file])
            try await store.apply(batch(part, 2, document))
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 3)
        }
    }

    @Test("closing an epoch that nothing was applied of does nothing")
    func unknown() async throws {
        let database = try await Database.fresh()
        try await database.withStore { store in try await store.close(.random()) }
        #expect(try await database.server.documents(database: database.name, collection: "tally.epochs").isEmpty)
    }
}
