public import Logging
public import TallyCore

/// Reads the database of the Node service that tally succeeds: one collection for each client, one document for each
/// test, with a number for each variation. Writes nothing there.
public struct NodeDatabase: Sendable {
    /// What its documents call things.
    public struct Fields: Sendable {
        /// The field with the test's ID; nil for `testID` where a document has it, else `_id`.
        public var test: String?
        /// The field with the numbers, by the variations' names.
        public var variations: String

        public init(test: String? = nil, variations: String = "variations") {
            self.test = test
            self.variations = variations
        }
    }

    let driver: MongoDriver

    /// - Parameters:
    ///   - uri: any MongoDB connection string; its path names the database.
    ///   - name: what names it to the user, for errors.
    /// - Throws: `StoreError`.
    public init(uri: String, name: String, logger: Logger) throws(StoreError) {
        self.driver = try MongoDriver(uri: uri, name: name, logger: logger)
    }

    public func shutdown() async { await self.driver.shutdown() }

    /// The names of its collections, sorted.
    /// - Throws: `StoreError`; also where the database is one that tally keeps its own counts in.
    public func collections() async throws(StoreError) -> [String] {
        let names = try await self.driver.run { connection throws(MongoError) in try connection.collectionNames() }
        guard !names.contains(EpochLedger.collection), !names.contains(MongoStore.stateCollection) else {
            throw StoreError(
                .refused,
                "MongoDB at \(self.driver.hosts): the database \(self.driver.database) is tally's own, not the Node "
                    + "service's; name the one that the Node service wrote to")
        }
        return names.filter { !$0.hasPrefix("system.") }.sorted()
    }

    /// All counts of one client.
    /// - Throws: `StoreError`.
    public func counts(in collection: String, _ fields: Fields) async throws(StoreError) -> ForeignCounts {
        try await self.driver.run { connection throws(MongoError) in
            let documents = try connection.aggregate(collection, attempted: "read the Node service's counts") {
                $0.document { $0.document("$sort") { $0.int32("_id", 1) } }
            }
            var counts = ForeignCounts()
            for document in documents { Self.read(document, of: collection, fields, into: &counts) }
            return counts
        }
    }

    private static func read(
        _ document: BSONDocument, of collection: String, _ fields: Fields, into found: inout ForeignCounts
    ) {
        var place = "a document of the collection \(collection)"
        do throws(BSONFault) {
            let test: BSONValue?
            if let field = fields.test {
                test = try document.value(field)
            } else if let named = try document.value("testID") {
                test = named
            } else {
                test = try document.value("_id")
            }
            guard let test = test?.name else {
                throw BSONFault(
                    what: "\(fields.test ?? "testID, or else _id,") is no text and no whole number, so it names no test"
                )
            }
            place = "document \(JSONText.string(test)) of the collection \(collection)"
            guard case .document(let numbers) = try document.value(fields.variations) else {
                throw BSONFault(what: "\(fields.variations) is not a document of numbers")
            }
            try self.read(numbers, prefix: "") { variation, count in
                found.counts.append(
                    .init(place: place, client: collection, test: test, variation: variation, count: count))
            }
        } catch {
            found.faults.append("\(place): \(error.what)")
        }
    }

    /// A name with a dot, which an update took for a path, lies there as a document in a document.
    private static func read(
        _ document: BSONDocument, prefix: String, found: (String, Int64) -> Void
    ) throws(BSONFault) {
        for (field, value) in try document.elements() {
            if case .document(let inner) = value {
                try self.read(inner, prefix: prefix + field + ".", found: found)
            } else {
                guard let count = value.wholeNumber else {
                    throw BSONFault(
                        what: "the number of variation \(JSONText.string(prefix + field)) is no whole number")
                }
                found(prefix + field, count)
            }
        }
    }
}

extension BSONValue {
    /// A test's ID, which a program that is not strict about types may have written as a number.
    fileprivate var name: String? {
        if case .string(let text) = self { return text }
        return self.wholeNumber.map { String($0) }
    }
}

extension MongoStore {
    /// Whether these are one database of one server, whatever the connection strings call it.
    /// - Throws: `StoreError`.
    public func isSame(as other: NodeDatabase) async throws(StoreError) -> Bool {
        guard self.driver.database == other.driver.database else { return false }
        return try await self.driver.serverProcess() == other.driver.serverProcess()
    }
}

extension MongoDriver {
    /// What a process of a server chose for itself when it started (MongoDB 4.4 and later).
    /// - Source: https://www.mongodb.com/docs/manual/reference/command/hello/, topologyVersion.
    fileprivate func serverProcess() async throws(StoreError) -> [UInt8] {
        try await self.run { connection throws(MongoError) in
            let attempted = "ask a server who it is"
            let hello = try connection.command(BSONWriter.document { $0.int32("hello", 1) }, attempted: attempted)
            do throws(BSONFault) {
                if case .objectID(let id) = try hello.subdocument("topologyVersion").value("processId") { return id }
                throw BSONFault(what: "hello was answered without topologyVersion")
            } catch {
                throw MongoError(.content, code: 0, message: error.what, attempted: attempted)
            }
        }
    }
}
