import TallyCore

/// Brings a batch into the documents of one client and one kind, and does not return before each of them has it.
///
/// Look, write, and look again at whatever is left: which documents are there and what they have is read first, so that
/// new ones can be inserted and known ones changed, each by the cheapest command there is for it. (One update pipeline
/// with upsert for all of them was measured at 40 µs a document; an insert takes 6, a change 31, the look 1 to 4.) What
/// was read may be out of date by the time it is used; the guards in `CountUpdate` make that harmless, and the next look
/// finds what has come of it.
struct DocumentWriter: Sendable {
    /// How often documents are looked at before giving up. One look is enough unless another flusher works on the same
    /// documents.
    static let maximumLooks = 20

    let driver: MongoDriver
    let update: CountUpdate
    let kind: CountUpdate.Kind
    /// Never empty, and all of one client.
    let documents: ArraySlice<DocumentCounts>

    /// A document that MongoDB does not take.
    struct Refused: Sendable {
        let document: DocumentCounts
        let fault: WriteReply.Fault
    }

    var collection: String { self.kind.collection(of: self.documents[self.documents.startIndex].client) }

    /// Returns when a majority of the members have every document that MongoDB takes.
    /// - Returns: those that it refuses.
    /// - Throws: `StoreError`.
    func write() async throws(StoreError) -> [Refused] {
        var rest = Array(self.documents)
        var refused: [Refused] = []
        for look in 1...Self.maximumLooks {
            let outcome = try await self.driver.run { [rest] connection throws(MongoError) in
                try self.pass(over: rest, connection)
            }
            refused += outcome.refused
            rest = outcome.unsettled
            if rest.isEmpty { return refused }
            // Another flusher was faster, and a majority may not have yet what it wrote.
            if look > 2 { try? await Task.sleep(for: .milliseconds(10 * look)) }
        }
        throw StoreError(
            .unavailable,
            "MongoDB at \(self.driver.hosts): another flusher kept changing the same documents of the collection "
                + "\(self.collection). The batch stays pending.")
    }

    private struct Outcome: Sendable {
        var refused: [Refused] = []
        /// Not known to have the batch.
        var unsettled: [DocumentCounts] = []
    }

    /// One look and the writes that follow from it. Blocks.
    private func pass(
        over documents: [DocumentCounts], _ connection: borrowing MongoConnection
    ) throws(MongoError) -> Outcome {
        let found = try self.look(at: documents, connection)
        var outcome = Outcome()
        var missing: [DocumentCounts] = []
        var present: [(document: DocumentCounts, marks: AppliedMarks)] = []
        for document in documents {
            switch found[document.test] {
            case nil: missing.append(document)
            case .success(let marks) where self.update.isApplied(marks): break
            case .success(let marks): present.append((document, marks))
            case .failure(let fault):
                let fault = WriteReply.Fault(index: 0, code: 0, message: fault.what)
                outcome.refused.append(Refused(document: document, fault: fault))
            }
        }
        try self.insert(missing, connection, &outcome)
        try self.change(present, connection, &outcome)
        FailPoint.reach(.midBulk)
        return outcome
    }

    /// The marks of those documents that are there. By what a majority has, so that one that seems to have the batch
    /// cannot lose it again.
    private func look(
        at documents: [DocumentCounts], _ connection: borrowing MongoConnection
    ) throws(MongoError) -> [Name: Result<AppliedMarks, BSONFault>] {
        let attempted = "read which batches documents have"
        let found = try connection.aggregate(self.collection, attempted: attempted) {
            $0.document {
                $0.document("$match") {
                    $0.document("_id") {
                        $0.array("$in") {
                            for document in documents { self.update.key(self.kind, of: document).appendID(to: &$0) }
                        }
                    }
                }
            }
            $0.document { $0.document("$project") { $0.int32("applied", 1) } }
        }
        var marks: [Name: Result<AppliedMarks, BSONFault>] = [:]
        for document in found {
            do throws(BSONFault) {
                let test = try document.test(self.kind)
                marks[test] = Result { () throws(BSONFault) in try AppliedMarks(document) }
            } catch {
                throw MongoError(
                    .content, code: 0, message: error.what, attempted: "\(attempted) in \(self.collection)")
            }
        }
        return marks
    }

    private func insert(
        _ documents: [DocumentCounts], _ connection: borrowing MongoConnection, _ outcome: inout Outcome
    ) throws(MongoError) {
        var rest = documents[...]
        while !rest.isEmpty {
            let command = BulkCommand("insert", self.collection, "documents", of: rest) { document, list in
                self.update.appendInsertion(self.kind, of: document, to: &list)
            }
            let attempted = "insert documents"
            let reply = try WriteReply(
                try connection.write(command.document, attempted: attempted), attempted: attempted)
            for fault in reply.faults where fault.index < command.count {
                let document = rest[rest.startIndex + fault.index]
                if fault.isDuplicateKey {
                    outcome.unsettled.append(document)
                } else {
                    outcome.refused.append(Refused(document: document, fault: fault))
                }
            }
            rest = rest.dropFirst(command.count)
        }
    }

    private func change(
        _ documents: [(document: DocumentCounts, marks: AppliedMarks)], _ connection: borrowing MongoConnection,
        _ outcome: inout Outcome
    ) throws(MongoError) {
        var rest = documents[...]
        while !rest.isEmpty {
            let command = BulkCommand("update", self.collection, "updates", of: rest) { entry, list in
                self.update.appendChange(self.kind, of: entry.document, marks: entry.marks, to: &list)
            }
            let attempted = "apply a batch"
            let reply = try WriteReply(
                try connection.write(command.document, attempted: attempted), attempted: attempted)
            var sent = rest.prefix(command.count).map(\.document)
            rest = rest.dropFirst(command.count)
            for fault in reply.faults.sorted(by: { $0.index > $1.index }) where fault.index < command.count {
                outcome.refused.append(Refused(document: sent.remove(at: fault.index), fault: fault))
            }
            // Fewer than were meant: some have the batch by now, or are gone. Which, the next look will tell.
            if reply.count < sent.count { outcome.unsettled += sent }
        }
    }
}

extension BSONDocument {
    /// The test that a document of this kind is about.
    fileprivate func test(_ kind: CountUpdate.Kind) throws(BSONFault) -> Name {
        switch (kind, try self.value("_id")) {
        case (.totals, .string(let test)): return Name(test)
        case (.hours, .document(let id)):
            if case .string(let test) = try id.value("test") { return Name(test) }
            fallthrough
        default: throw BSONFault(what: "_id is not what was asked for")
        }
    }
}

extension AppliedMarks {
    fileprivate init(_ document: BSONDocument) throws(BSONFault) {
        guard case .document(let applied) = try document.value("applied") else { return }
        for (key, value) in try applied.elements() {
            guard let number = value.wholeNumber else { throw BSONFault(what: "applied.\(key) is not a whole number") }
            if key == "floor" { self.floor = number } else { self.numbers[key] = number }
        }
    }
}
