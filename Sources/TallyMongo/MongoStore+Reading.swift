public import TallyCore

extension MongoStore {
    public func metrics(client: Name, test: Name?) async throws -> ClientMetrics? {
        // A name that no client can have may be another collection's, such as an hourly one.
        guard NameRules.faultInClient(client.string.utf8) == nil else { return nil }
        return try await self.driver.run { connection throws(MongoError) in
            let attempted = "read a client's numbers"
            let documents = try connection.aggregate(client.string, attempted: attempted) {
                $0.document {
                    $0.document("$match") {
                        if let test {
                            $0.document("_id") { $0.string("$eq", test.string) }
                        } else {
                            Self.matchTests(&$0)
                        }
                    }
                }
                $0.document { $0.document("$project") { $0.int32("applied", 0) } }
            }
            if documents.isEmpty {
                let any = try connection.aggregate(client.string, attempted: attempted) {
                    $0.document { $0.document("$match") { Self.matchTests(&$0) } }
                    $0.document { $0.int32("$limit", 1) }
                    $0.document { $0.document("$project") { $0.int32("_id", 1) } }
                }
                if any.isEmpty { return nil }
            }
            let tests = try documents.map { document throws(MongoError) in try TestMetrics(document, of: client) }
            return ClientMetrics(
                client: client,
                flushedAt: try Self.flushedAt(connection) ?? tests.map(\.updatedAt).max() ?? 0,
                tests: tests.sorted { $0.test < $1.test })
        }
    }

    public func clients() async throws -> [ClientSummary] {
        let names = try await self.driver.run { connection throws(MongoError) in try connection.collectionNames() }
        var clients = names.filter { NameRules.faultInClient($0.utf8) == nil }.map { Name($0) }[...]
        var summaries: [ClientSummary] = []
        try await withThrowingTaskGroup(of: ClientSummary?.self) { group in
            for client in clients.prefix(MongoDriver.threads) { group.addTask { try await self.summary(of: client) } }
            clients = clients.dropFirst(MongoDriver.threads)
            for try await summary in group {
                if let summary { summaries.append(summary) }
                if let next = clients.popFirst() { group.addTask { try await self.summary(of: next) } }
            }
        }
        return summaries.sorted { $0.client < $1.client }
    }

    /// Nil for a collection without tests.
    private func summary(of client: Name) async throws(StoreError) -> ClientSummary? {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(client.string, attempted: "sum up a client") {
                $0.document { $0.document("$match") { Self.matchTests(&$0) } }
                $0.document {
                    $0.document("$group") {
                        $0.int32("_id", 0)
                        $0.document("tests") { $0.int64("$sum", 1) }
                        $0.document("total") { $0.string("$sum", "$total") }
                        $0.document("updatedAt") { $0.string("$max", "$updatedAt") }
                    }
                }
            }
            guard let document = documents.first else { return nil }
            do throws(BSONFault) {
                return ClientSummary(
                    client: client, tests: Int(try document.wholeNumber("tests")),
                    total: try document.wholeNumber("total"), updatedAt: try document.secondsSince1970("updatedAt"))
            } catch {
                throw MongoError(
                    .content, code: 0, message: error.what, attempted: "sum up the collection \(client)")
            }
        }
    }

    /// The documents that tally writes; a collection may hold others.
    private static func matchTests(_ writer: inout BSONWriter) {
        writer.document("_id") { $0.string("$type", "string") }
    }

    private static func flushedAt(_ connection: borrowing MongoConnection) throws(MongoError) -> Int64? {
        let documents = try connection.aggregate(Self.stateCollection, attempted: "read when the last flush was") {
            $0.document { $0.document("$match") { $0.string("_id", "flush") } }
        }
        do throws(BSONFault) {
            return try documents.first?.secondsSince1970("flushedAt")
        } catch {
            throw MongoError(.content, code: 0, message: error.what, attempted: "read \(Self.stateCollection)")
        }
    }
}

extension TestMetrics {
    fileprivate init(_ document: BSONDocument, of client: Name) throws(MongoError) {
        do throws(BSONFault) {
            guard case .string(let test) = try document.value("_id") else {
                throw BSONFault(what: "_id is not a string")
            }
            self.init(
                test: Name(test),
                variations: try Self.variations(document.subdocument("variations")),
                total: try document.wholeNumber("total"),
                events: try Self.events(document.subdocument("events")),
                firstTrackedAt: try document.secondsSince1970("firstTrackedAt"),
                updatedAt: try document.secondsSince1970("updatedAt"))
        } catch {
            throw MongoError(
                .content, code: 0, message: error.what, attempted: "read a test's document in the collection \(client)")
        }
    }

    /// `{<event>: {<variation>: n}}`, sorted by both.
    static func events(_ document: BSONDocument) throws(BSONFault) -> [Event] {
        var events: [Event] = []
        for (field, value) in try document.elements() {
            guard let name = FieldName.decode(field), case .document(let counts) = value else {
                throw BSONFault(what: "an event is not a document of counts")
            }
            events.append(Event(name: name, variations: try self.variations(counts)))
        }
        return events.sorted { $0.name < $1.name }
    }

    private static func variations(_ document: BSONDocument) throws(BSONFault) -> [Variation] {
        var variations: [Variation] = []
        for (field, value) in try document.elements() {
            guard let name = FieldName.decode(field), let count = value.wholeNumber else {
                throw BSONFault(what: "a count is not a whole number")
            }
            variations.append(Variation(name: name, count: count))
        }
        return variations.sorted { $0.name < $1.name }
    }
}
