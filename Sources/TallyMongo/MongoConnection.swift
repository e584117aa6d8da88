import CMongoc
import TallyCore

/// One connection, taken from the pool and given back at the end. Every method blocks.
struct MongoConnection: ~Copyable {
    private let client: OpaquePointer
    private let pool: ClientPool
    private let database: String

    init(_ pool: ClientPool, database: String) throws(MongoError) {
        guard let client = mongoc_client_pool_pop(pool.pointer) else {
            throw MongoError(.connection, code: 0, message: "no connection became free", attempted: "take a connection")
        }
        self.client = client
        self.pool = pool
        self.database = database
    }

    deinit { mongoc_client_pool_push(self.pool.pointer, self.client) }

    /// Sends a write command to the primary and waits until a majority of the members have it in their journals. Where
    /// the connection breaks or the primary steps down, sends it once more: so it must be one that does no harm twice,
    /// as all of tally's are.
    /// - Parameter attempted: what the command does, to follow "could not".
    /// - Returns: the reply. Single statements may have failed: `WriteReply`.
    func write(_ command: BSONDocument, attempted: String) throws(MongoError) -> BSONDocument {
        do throws(MongoError) {
            return try self.send(command, isWrite: true, options: Self.acknowledged, attempted: attempted)
        } catch {
            guard self.pool.retriesWrites, error.isWorthASecondAttempt else { throw error }
            return try self.send(command, isWrite: true, options: Self.acknowledged, attempted: attempted)
        }
    }

    /// Sends one update statement.
    /// - Parameter statement: writes `q`, `u` and, where wanted, `upsert`.
    /// - Returns: how many documents it found, or inserted. A duplicate key counts as none.
    func update(
        _ collection: String, attempted: String, statement: (inout BSONWriter) -> Void
    ) throws(MongoError) -> Int64 {
        let command = BSONWriter.document {
            $0.string("update", collection)
            $0.array("updates") { $0.document(statement) }
        }
        let reply = try WriteReply(try self.write(command, attempted: attempted), attempted: attempted)
        if let fault = reply.faults.first(where: { !$0.isDuplicateKey }) {
            throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
        }
        return reply.count
    }

    /// Sends any other command to the primary.
    func command(_ command: BSONDocument, attempted: String) throws(MongoError) -> BSONDocument {
        try self.send(command, isWrite: false, options: .empty, attempted: attempted)
    }

    /// Runs an aggregation on the primary, over what a majority of the members have.
    /// - Parameter stages: writes the stages of the pipeline.
    func aggregate(
        _ collection: String, attempted: String, stages: (inout BSONWriter) -> Void
    ) throws(MongoError) -> [BSONDocument] {
        let pipeline = BSONWriter.document { $0.array("pipeline", stages) }
        let collection = mongoc_client_get_collection(self.client, self.database, collection)
        defer { mongoc_collection_destroy(collection) }
        let opened = pipeline.withBytes { pipeline in
            Self.ofMajority.withBytes { options in
                tally_mongoc_aggregate(
                    collection, pipeline.baseAddress, pipeline.count, options.baseAddress, options.count)
            }
        }
        guard let cursor = opened else {
            throw MongoError(.driver, code: 0, message: "the pipeline is not valid BSON", attempted: attempted)
        }
        defer { mongoc_cursor_destroy(cursor) }
        var documents: [BSONDocument] = []
        var length: UInt32 = 0
        while let bytes = tally_mongoc_cursor_next(cursor, &length) {
            documents.append(BSONDocument(bytes: Array(UnsafeBufferPointer(start: bytes, count: Int(length)))[...]))
        }
        var error = bson_error_t()
        if mongoc_cursor_error(cursor, &error) { throw MongoError(error, labels: [], attempted: attempted) }
        return documents
    }

    /// The names of the database's collections, in no particular order.
    func collectionNames() throws(MongoError) -> [String] {
        let database = mongoc_client_get_database(self.client, self.database)
        defer { mongoc_database_destroy(database) }
        var error = bson_error_t()
        guard let names = mongoc_database_get_collection_names_with_opts(database, nil, &error) else {
            throw MongoError(error, labels: [], attempted: "list the collections")
        }
        defer { bson_strfreev(names) }
        var next = names
        var result: [String] = []
        while let name = next.pointee {
            result.append(String(cString: name))
            next += 1
        }
        return result
    }

    private func send(
        _ command: BSONDocument, isWrite: Bool, options: BSONDocument, attempted: String
    ) throws(MongoError) -> BSONDocument {
        var replyBytes: UnsafeMutablePointer<UInt8>?
        var replyLength: UInt32 = 0
        var error = bson_error_t()
        let done = command.withBytes { command in
            options.withBytes { options in
                tally_mongoc_command(
                    self.client, self.database, isWrite, command.baseAddress, command.count, options.baseAddress,
                    options.count, &replyBytes, &replyLength, &error)
            }
        }
        defer { bson_free(replyBytes) }
        let reply =
            replyBytes.map { BSONDocument(bytes: Array(UnsafeBufferPointer(start: $0, count: Int(replyLength)))[...]) }
            ?? .empty
        guard done else { throw MongoError(error, labels: WriteReply.labels(of: reply), attempted: attempted) }
        return reply
    }

    private static let acknowledged = BSONWriter.document {
        $0.document("writeConcern") {
            $0.string("w", "majority")
            $0.bool("j", true)
            $0.int32("wtimeout", MongoDriver.writeTimeoutMilliseconds)
        }
    }

    /// With room for what a piece of a batch touches in one reply, where the server would send 101 documents first.
    private static let ofMajority = BSONWriter.document {
        $0.document("readConcern") { $0.string("level", "majority") }
        $0.int32("batchSize", 1_000)
    }
}

extension BSONDocument {
    fileprivate func withBytes<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
        self.bytes.withUnsafeBufferPointer(body)
    }
}

extension MongoError {
    /// What the driver says of a failure.
    init(_ error: bson_error_t, labels: [String], attempted: String) {
        let domain: Domain =
            switch error.domain {
            case MONGOC_ERROR_SERVER_SELECTION.rawValue: .serverSelection
            case MONGOC_ERROR_STREAM.rawValue: .connection
            case MONGOC_ERROR_CLIENT.rawValue where error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE.rawValue:
                .authentication
            case MONGOC_ERROR_SCRAM.rawValue, MONGOC_ERROR_SASL.rawValue: .authentication
            case MONGOC_ERROR_SERVER.rawValue: .server
            case MONGOC_ERROR_WRITE_CONCERN.rawValue: .writeConcern
            default: .driver
            }
        self.init(
            domain, code: Int32(truncatingIfNeeded: error.code), message: MongoDriver.message(error), labels: labels,
            attempted: attempted)
    }
}
