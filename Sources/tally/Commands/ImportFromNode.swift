import ArgumentParser
import Logging
import NIOPosix
import TallyConfig
import TallyCore
import TallyExchange
import TallyMongo
import TallyRedis
import TallyServer

/// Where the Node service's counts lie, and what it calls things.
struct NodeOptions: ParsableArguments {
    @Flag(help: "Take over the counts of the Node service.") var fromNode = false
    @Option(
        name: .customLong("node-mongodb"),
        help: ArgumentHelp("Its MongoDB; the path names the database.", valueName: "uri"))
    var mongoDB: String?
    @Option(name: .customLong("node-redis"), help: ArgumentHelp("Its Redis.", valueName: "url")) var redis: String?
    @Option(
        name: .customLong("node-keys"),
        help: ArgumentHelp("How its keys are made of a counter's names.", valueName: "pattern"))
    var keys = "count:{client}:{test}:{variation}"
    @Option(
        name: .customLong("node-test-field"),
        help: ArgumentHelp(
            "The field of its documents with the test's ID. (default: testID where there is one, else _id)",
            valueName: "field"))
    var testField: String?
    @Option(
        name: .customLong("node-variations-field"),
        help: ArgumentHelp("The field with a number for each variation.", valueName: "field"))
    var variationsField = "variations"

    func validate() throws {
        guard self.fromNode else {
            if self.mongoDB != nil || self.redis != nil {
                throw ValidationError("--node-mongodb and --node-redis are for --from-node; say that, too")
            }
            return
        }
        guard self.mongoDB != nil || self.redis != nil else {
            throw ValidationError("--from-node needs --node-mongodb, --node-redis or both: where the counts are")
        }
        guard NodeKeyPattern(self.keys) != nil else {
            throw ValidationError(
                "--node-keys takes a pattern with {client}, {test} and {variation}, each of them once and with text "
                    + "between them, such as count:{client}:{test}:{variation}")
        }
    }
}

/// Takes over the Node service's counts, client by client.
struct NodeImport {
    let options: NodeOptions
    let client: String?
    let isDryRun: Bool
    let force: Bool
    let storage: Storage

    /// How many faults are listed.
    private static let maximumFaults = 20

    func run() async throws {
        var found = ForeignCounts()
        if let uri = self.options.mongoDB { found.add(try await self.inMongoDB(uri)) }
        if let url = self.options.redis { found.add(try await self.inRedis(url)) }
        if let client { found.counts = found.counts.filter { $0.client == client } }
        let (clients, faults) = NodeTakeover.records(of: found.counts)
        try self.report(found.faults + faults)
        guard !clients.isEmpty else { return print("there is nothing to take over") }

        let importer = Importer(store: self.storage.store, now: Timestamp.now)
        let ledger = try await self.storage.store.ledger()
        var rows: [[String]] = []
        var hasChanged = false
        let progress = ProgressLine()
        defer { progress.end() }
        for (index, (client, records)) in clients.enumerated() {
            let total = records.reduce(0) { $0 + $1.count }
            let kind = NodeTakeover.kind(of: client)
            let epoch = Importer.epoch(of: records, label: kind)
            let standing = importer.standing(of: epoch, kind: kind, in: ledger)
            let outcome: String
            if let before = standing.others.first {
                hasChanged = true
                outcome = "NOT TAKEN: has changed since \(Quantity.of(before.total, "count")) were taken over"
            } else if standing.isDone {
                outcome = "was taken over before"
            } else if self.isDryRun {
                outcome =
                    standing.batches > 0
                    ? "would go on after \(Quantity.of(standing.total, "count"))" : "would be taken over"
            } else {
                progress.show("\(client), \(index + 1) of \(Quantity.of(clients.count, "client"))")
                try await importer.run(records, epoch: epoch, standing, kind: kind)
                outcome = "taken over"
            }
            rows.append([
                client.string, Quantity.grouped(Set(records.map(\.test)).count), Quantity.grouped(total), outcome,
            ])
        }
        progress.end()
        print(TextTable.render(header: ["client", "tests", "counts", ""], rows: rows, numeric: [1, 2]))
        if self.isDryRun { print("\nnothing was changed") }
        if hasChanged {
            printError(
                "\ntally: is the Node service still counting? Stop it, and add what came since from a file: tally import"
            )
            throw ExitCode(ExitStatus.checkFailed)
        }
    }

    private func inMongoDB(_ uri: String) async throws -> ForeignCounts {
        let database = try NodeDatabase(uri: uri, name: "--node-mongodb", logger: Self.logger)
        do {
            let counts = try await self.read(database)
            await database.shutdown()
            return counts
        } catch {
            await database.shutdown()
            throw error
        }
    }

    private func read(_ database: NodeDatabase) async throws -> ForeignCounts {
        if let store = self.storage.mongo, try await store.isSame(as: database) {
            throw StartError(
                .configuration,
                "--node-mongodb and MONGODB_URI name the same database, where the documents of both would be mixed; let "
                    + "the path of MONGODB_URI name another, such as /tally")
        }
        let fields = NodeDatabase.Fields(test: self.options.testField, variations: self.options.variationsField)
        var counts = ForeignCounts()
        for collection in try await database.collections() where self.client == nil || self.client == collection {
            if let fault = NameRules.faultInClient(Array(collection.utf8)) {
                counts.faults.append("the collection \(collection) names no client: that \(fault)")
            } else {
                counts.add(try await database.counts(in: collection, fields))
            }
        }
        return counts
    }

    private func inRedis(_ text: String) async throws -> ForeignCounts {
        guard let pattern = NodeKeyPattern(self.options.keys) else { return ForeignCounts() }
        let url: RedisURL
        do throws(SettingFault) {
            url = try RedisURL(parsing: text)
        } catch {
            throw StartError(.configuration, "--node-redis \(error.description)")
        }
        var endpoint = try RedisEndpoint(url, caFile: nil)
        endpoint.setting = "--node-redis"
        return try await NodeKeys(
            endpoint: endpoint, pattern: pattern, eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        ).counts()
    }

    private func report(_ faults: [String]) throws {
        guard !faults.isEmpty else { return }
        let more = faults.count > Self.maximumFaults ? ["\(faults.count - Self.maximumFaults) more"] : []
        printError("tally: \(Quantity.of(faults.count, "thing")) cannot be taken over:")
        for fault in faults.prefix(Self.maximumFaults) + more { printError("  \(fault)") }
        guard self.force || self.isDryRun else {
            printError("nothing was taken over; mend these, or go on without them with --force")
            throw ExitCode(ExitStatus.checkFailed)
        }
    }

    private static var logger: Logger { Logger(label: "tally") { _ in SwiftLogNoOpLogHandler() } }
}
