import TallyCore
import TallyMongo
import TallyTestSupport
import Testing

@Suite("When MongoDB fails", .serverLogs)
struct FailureTests {
    @Test(
        "a connection string that is none is refused in words, without the password",
        arguments: [
            "", "localhost", "redis://127.0.0.1:6379", "mongodb://", "mongodb://user:hunter2@",
            "mongodb://user:hun/ter2@host/db", "mongodb://user:p@hunter2@host/db",
            "mongodb://user:hun?te@r2@hunter2/db",
            "mongodb://user:hunter2%zz@host/db", "mongodb://user:hunter2@host:99999/db",
            "mongodb://user:hunter2@host/db?connectTimeoutMS=soon&tls=perhaps", "mongodb://user:hunter2@host:x/db",
        ])
    func badURI(uri: String) {
        let failure = #expect(throws: StoreError.self) { _ = try MongoStore(uri: uri, logger: .silent) }
        #expect(failure?.code == .configuration)
        #expect(failure?.description.contains("MONGODB_URI") == true)
        for secret in ["hunter2", "ter2", "hun/"] { #expect(failure?.description.contains(secret) == false) }
    }

    @Test("options that are unknown or not used are said in the log")
    func options() async throws {
        let log = LogRecorder()
        let store = try MongoStore(
            uri: "mongodb://127.0.0.1:1/?colour=red&w=1&readPreference=secondary", logger: log.logger)
        await store.shutdown()
        #expect(log.texts.contains { $0.hasPrefix("warning") && $0.contains("colour") })
        #expect(log.texts.contains { $0.hasPrefix("warning") && $0.contains("options=w, readpreference") })
    }

    @Test(
        "a server that cannot be reached is reported long before the driver's own 30 s, with its host and without the password",
        arguments: ["mongodb://user:hunter2@127.0.0.1:1/db", "mongodb://user:hunter2%40x@127.0.0.1:1/?appName=a@b"])
    func unreachable(uri: String) async throws {
        let store = try MongoStore(uri: uri, logger: .silent)
        let clock = ContinuousClock()
        // On a machine that is busy with other tests everything takes longer, three seconds too.
        async let threeSeconds = clock.measure { try? await Task.sleep(for: .seconds(3)) }
        var failure: StoreError?
        let duration = await clock.measure {
            failure = await #expect(throws: StoreError.self) { try await store.ping() }
        }
        await store.shutdown()
        #expect(await duration < threeSeconds + .seconds(15))
        #expect(failure?.code == .unavailable)
        #expect(failure?.description.contains("127.0.0.1:1") == true)
        #expect(failure?.description.contains("hunter2") == false)
    }

    @Test("a wrong password is refused, not taken for an outage")
    func wrongPassword() async throws {
        let server = try await MongoServer.shared()
        let store = try MongoStore(
            uri: "mongodb://user:hunter2@127.0.0.1:\(server.port)/db?directConnection=true", logger: .silent)
        let failure = await #expect(throws: StoreError.self) { try await store.ping() }
        await store.shutdown()
        #expect(failure?.code == .refused)
        #expect(failure?.description.contains("hunter2") == false)
    }

    @Test("after a restart everything goes on, with nothing lost and nothing counted twice")
    func restart() async throws {
        let server = try await MongoServer.start()
        let database = Database(server: server, name: "store")
        let epoch = Epoch.random()
        let next = batch(epoch, 2, [counts("acme", "cta", [("A", 1)])])
        try await database.withStore(options: "serverSelectionTimeoutMS=1000") { store in
            try await store.ping()
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
            try await server.kill()
            let failure = await #expect(throws: StoreError.self) { try await store.apply(next) }
            #expect(failure?.code == .unavailable)
            await #expect(throws: StoreError.self) { _ = try await store.metrics(client: "acme", test: nil) }
            try await server.restart()
            try await eventually("the store to reach MongoDB again") { (try? await store.ping()) != nil }
            try await store.apply(next)
            #expect(try await store.metrics(client: "acme", test: nil)?.tests.first?.total == 2)
        }
    }

    @Test("a connection that is cut anywhere in an answer costs no count and doubles none")
    func cut() async throws {
        let database = try await Database.fresh()
        let proxy = try await TCPProxy.start(to: database.server.port)
        let epoch = Epoch.random()
        let documents = (0..<20).map { counts("acme", Name("test \($0)"), [("A", 1)]) }
        try await database.withStore(options: "serverSelectionTimeoutMS=2000", port: proxy.port) { store in
            try await store.apply(batch(epoch, 1, documents))
            for number in 2...9 {
                proxy.cut(afterServerBytes: number * 97)
                let next = batch(epoch, Int64(number), documents)
                // As the flush does: until it succeeds, the same batch again.
                try await eventually("batch \(number) to be applied") { (try? await store.apply(next)) != nil }
            }
            let tests = try #require(try await store.metrics(client: "acme", test: nil)).tests
            #expect(tests.count == 20)
            #expect(tests.allSatisfy { $0.total == 9 })
        }
        await proxy.stop()
    }

    @Test("a write that no majority confirmed is an outage, and its batch is applied once when it comes again")
    func writeConcern() async throws {
        let server = try await MongoServer.start(
            replicaSet: true, extra: ["--setParameter", "enableTestCommands=1"])
        let database = Database(server: server, name: "store")
        let epoch = Epoch.random()
        try await database.withStore { store in
            // The first batch makes the document, so that those that follow change one document and insert another.
            try await store.apply(batch(epoch, 1, [counts("acme", "cta", [("A", 1)])]))
            let unconfirmed: BSONValue = ["code": 64, "errmsg": "waiting timed out"]
            let faults: [(BSONDocument, isRetried: Bool)] = [
                (["failCommands": ["update"], "writeConcernError": unconfirmed], false),
                (["failCommands": ["insert"], "writeConcernError": unconfirmed], false),
                (["failCommands": ["insert"], "closeConnection": true], true),
                (["failCommands": ["update"], "closeConnection": true], true),
                (["failCommands": ["update"], "errorCode": 11602, "errorLabels": ["RetryableWriteError"]], true),
                (["failCommands": ["aggregate"], "closeConnection": true], true),
                (["failCommands": ["update"], "errorCode": 13], false),
            ]
            for (index, (fault, isRetried)) in faults.enumerated() {
                let number = Int64(index + 2)
                let next = batch(
                    epoch, number,
                    [counts("acme", "cta", [("A", 1)]), counts("acme", Name("new \(number)"), [("A", 1)])])
                try await server.command(
                    ["configureFailPoint": "failCommand", "mode": ["times": 1], "data": .document(fault)],
                    database: "admin")
                if isRetried {
                    try await store.apply(next)
                } else {
                    let failure = await #expect(throws: StoreError.self) { try await store.apply(next) }
                    #expect(failure?.code == (index == faults.count - 1 ? .refused : .unavailable))
                    #expect(try await database.epoch(epoch)?["lastNumber"] == .int64(number - 1))
                    try await store.apply(next)
                }
                let tests = try #require(try await store.metrics(client: "acme", test: nil)).tests
                #expect(tests.first { $0.test == "cta" }?.total == number)
                #expect(tests.first { $0.test == Name("new \(number)") }?.total == 1)
            }
        }
        #expect(try await database.epoch(epoch)?["total"] == .int64(1 + 2 * 7))
    }

    @Test("a member that is no primary does not pass for healthy")
    func noPrimary() async throws {
        let server = try await MongoServer.start(extra: ["--replSet", "never-initiated"])
        let database = Database(server: server, name: "store")
        let failure = await #expect(throws: StoreError.self) {
            try await database.withStore(options: "serverSelectionTimeoutMS=500") { try await $0.ping() }
        }
        #expect(failure?.code == .unavailable)
        #expect(failure?.description.contains("127.0.0.1:\(server.port)") == true)
    }

    @Test("after shutdown everything throws")
    func afterShutdown() async throws {
        let database = try await Database.fresh()
        let store = try MongoStore(uri: database.server.uri(database: database.name), logger: .silent)
        try await store.ping()
        await store.shutdown()
        let failure = await #expect(throws: StoreError.self) { try await store.ping() }
        #expect(failure?.code == .unavailable)
    }
}
