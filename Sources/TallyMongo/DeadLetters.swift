import TallyCore

/// What single documents refused, in `tally.deadletters`: one record for each batch and document.
///
/// A batch is recorded as finished only when each of its documents has it or has a letter for it; the letters are with a
/// majority by then. Later batches of the same document become letters too, without asking it. So for a document with
/// letters, none of them is applied, and nothing that is later; and whoever reads the ledger first and the letters then
/// sees all that a finished batch has left.
///
/// A flusher that thaws late may write a letter for what was applied long ago. Its replay changes nothing, since the
/// document's marks know better, and removes it.
struct DeadLetters: Sendable {
    static let collection = "tally.deadletters"
    /// How many letters of one document are read at once; each may have 300 KB.
    private static let lettersAtOnce: Int32 = 50

    let driver: MongoDriver

    /// The documents that letters wait for.
    struct Waiting: Sendable {
        var documents: Set<DocumentKey> = []
        /// The lowest ordinal of their epochs; nil where there are no letters.
        var lowestOrdinal: Int64?
    }

    /// What is there, by what a majority has. Costs one answer without documents where there is nothing.
    static func waiting(_ connection: borrowing MongoConnection) throws(MongoError) -> Waiting {
        let groups = try connection.aggregate(self.collection, attempted: "look for dead letters") {
            $0.document {
                $0.document("$group") {
                    self.groupByDocument(&$0)
                    $0.document("ordinal") { $0.string("$min", "$ordinal") }
                }
            }
        }
        var waiting = Waiting()
        for group in groups {
            try self.read { () throws(BSONFault) in
                waiting.documents.insert(try self.key(of: group))
                let ordinal = try group.wholeNumber("ordinal")
                waiting.lowestOrdinal = min(waiting.lowestOrdinal ?? ordinal, ordinal)
            }
        }
        return waiting
    }

    /// What one epoch's letters hold back.
    struct Sum: Sendable {
        fileprivate let total: Int64
        fileprivate let lastNumber: Int64
        fileprivate let totalOfLast: Int64

        /// Without the letters of a batch that is not finished: that one still counts as pending. There can be one at
        /// most, since the next begins after it.
        func total(upTo finished: Int64) -> Int64 {
            self.lastNumber > finished ? self.total - self.totalOfLast : self.total
        }
    }

    /// What waits of each epoch.
    static func sums(_ connection: borrowing MongoConnection) throws(MongoError) -> [Epoch: Sum] {
        let groups = try connection.aggregate(self.collection, attempted: "add up the dead letters") {
            $0.document {
                $0.document("$group") {
                    $0.document("_id") {
                        $0.string("epoch", "$_id.epoch")
                        $0.string("number", "$_id.number")
                    }
                    $0.document("total") { $0.string("$sum", "$total") }
                }
            }
            $0.document { $0.document("$sort") { $0.int32("_id.number", 1) } }
            $0.document {
                $0.document("$group") {
                    $0.string("_id", "$_id.epoch")
                    $0.document("total") { $0.string("$sum", "$total") }
                    $0.document("lastNumber") { $0.string("$last", "$_id.number") }
                    $0.document("totalOfLast") { $0.string("$last", "$total") }
                }
            }
        }
        var sums: [Epoch: Sum] = [:]
        for group in groups {
            try self.read { () throws(BSONFault) in
                guard let epoch = Epoch(try group.string("_id")) else { throw BSONFault(what: "_id.epoch is no epoch") }
                sums[epoch] = Sum(
                    total: try group.wholeNumber("total"), lastNumber: try group.wholeNumber("lastNumber"),
                    totalOfLast: try group.wholeNumber("totalOfLast"))
            }
        }
        return sums
    }

    /// Writes letters, with a majority of the members. One that is there already stays as it is: a sealed batch never
    /// changes, so it says the same.
    /// - Throws: `StoreError`.
    func keep(_ letters: [DeadLetter]) async throws(StoreError) {
        guard !letters.isEmpty else { return }
        try await self.driver.run { connection throws(MongoError) in
            var rest = letters[...]
            let now = Timestamp.now()
            while !rest.isEmpty {
                let command = BulkCommand("insert", Self.collection, "documents", of: rest) { letter, list in
                    letter.append(at: now, to: &list)
                }
                let attempted = "keep what documents refused as dead letters"
                let reply = try WriteReply(
                    try connection.write(command.document, attempted: attempted), attempted: attempted)
                if let fault = reply.faults.first(where: { !$0.isDuplicateKey }) {
                    throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
                }
                rest = rest.dropFirst(command.count)
            }
        }
    }

    /// The letters of one document that come first, in the order in which they are to be applied.
    /// - Throws: `StoreError`.
    func first(of key: DocumentKey) async throws(StoreError) -> [DeadLetter] {
        try await self.driver.run { connection throws(MongoError) in
            let records = try connection.aggregate(Self.collection, attempted: "read dead letters") {
                $0.document {
                    $0.document("$match") {
                        $0.string("_id.collection", key.collection)
                        key.appendID("_id.document", to: &$0)
                    }
                }
                $0.document {
                    $0.document("$sort") {
                        $0.int32("ordinal", 1)
                        $0.int32("_id.number", 1)
                    }
                }
                $0.document { $0.int32("$limit", Self.lettersAtOnce) }
            }
            return try records.map { record throws(MongoError) in
                try Self.read { () throws(BSONFault) in try DeadLetter(record) }
            }
        }
    }

    /// Removes a letter that its document has taken. Does nothing where it is gone.
    /// - Throws: `StoreError`.
    func remove(_ letter: DeadLetter) async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            let attempted = "remove a dead letter that was moved"
            let command = BSONWriter.document {
                $0.string("delete", Self.collection)
                $0.array("deletes") {
                    $0.document {
                        $0.document("q") { letter.appendID(to: &$0) }
                        $0.int32("limit", 1)
                    }
                }
            }
            let reply = try WriteReply(try connection.write(command, attempted: attempted), attempted: attempted)
            if let fault = reply.faults.first {
                throw MongoError(.server, code: fault.code, message: fault.message, attempted: attempted)
            }
        }
    }

    /// Writes down why a letter was refused again.
    /// - Throws: `StoreError`.
    func note(_ fault: WriteReply.Fault, for letter: DeadLetter) async throws(StoreError) {
        try await self.driver.run { connection throws(MongoError) in
            _ = try connection.update(Self.collection, attempted: "note why a document refused its counts") {
                $0.document("q") { letter.appendID(to: &$0) }
                $0.document("u") {
                    $0.document("$set") {
                        $0.int32("code", fault.code)
                        $0.string("message", fault.message)
                    }
                }
            }
        }
    }

    /// Every document that letters wait for, with what waits, in the order of collections and documents.
    /// - Throws: `StoreError`.
    func queues() async throws(StoreError) -> [DeadLetterQueue] {
        let queues = try await self.driver.run { connection throws(MongoError) in
            let groups = try connection.aggregate(Self.collection, attempted: "list the dead letters") {
                $0.document {
                    $0.document("$sort") {
                        $0.int32("ordinal", 1)
                        $0.int32("_id.number", 1)
                    }
                }
                $0.document {
                    $0.document("$group") {
                        Self.groupByDocument(&$0)
                        $0.document("batches") { $0.int64("$sum", 1) }
                        $0.document("total") { $0.document("$sum") { $0.string("$sum", "$counts.count") } }
                        $0.document("since") { $0.string("$min", "$at") }
                        $0.document("message") { $0.string("$first", "$message") }
                    }
                }
            }
            return try groups.map { group throws(MongoError) in
                try Self.read { () throws(BSONFault) in
                    let key = try Self.key(of: group)
                    return DeadLetterQueue(
                        client: key.client, test: key.test, collection: key.collection, day: key.day,
                        batches: Int(try group.wholeNumber("batches")), total: try group.wholeNumber("total"),
                        since: try group.secondsSince1970("since"), reason: try group.string("message"))
                }
            }
        }
        return queues.sorted {
            ($0.client, $0.collection.utf8.count, $0.test, $0.day ?? 0)
                < ($1.client, $1.collection.utf8.count, $1.test, $1.day ?? 0)
        }
    }

    // MARK: Reading

    private static func groupByDocument(_ group: inout BSONWriter) {
        group.document("_id") {
            $0.string("collection", "$_id.collection")
            $0.string("document", "$_id.document")
        }
    }

    private static func key(of group: BSONDocument) throws(BSONFault) -> DocumentKey {
        let id = try group.subdocument("_id")
        return try DocumentKey(collection: id.string("collection"), id: id.value("document"))
    }

    private static func read<Value>(_ body: () throws(BSONFault) -> Value) throws(MongoError) -> Value {
        do throws(BSONFault) {
            return try body()
        } catch {
            throw MongoError(.content, code: 0, message: error.what, attempted: "read \(self.collection)")
        }
    }
}
