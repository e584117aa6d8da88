import Logging
import TallyCore

/// Writes a batch into the documents that it touches.
///
/// The documents of one client go into two collections, in unordered update commands of at most `statementsPerCommand`
/// statements and about `bytesPerCommand` bytes. Different commands of one batch touch different documents, so they
/// may be under way at once, on as many threads as the driver has.
struct BatchWriter: Sendable {
    static let statementsPerCommand = 250
    /// A command may have 16 MiB; the last statement may go beyond this by the size of one document's update, which the
    /// bounds on names hold to about 2 MB.
    static let bytesPerCommand = 8_000_000
    /// First inserts of one document that meet are tried again this often. Once it is there, they cannot meet again.
    static let attemptsAtDuplicateKeys = 10

    let driver: MongoDriver
    let logger: Logger

    /// Some documents of one client, for one of its two collections.
    private struct Part: Sendable {
        enum Kind: CaseIterable { case totals, hours }
        let kind: Kind
        let documents: ArraySlice<DocumentCounts>

        /// Only to be asked of a part that has documents.
        func collection(of client: Name) -> String {
            self.kind == .totals ? client.string : client.string + ".hourly"
        }
    }

    /// Returns when every document has the batch, with a majority of the members.
    /// - Throws: `StoreError`; everything that could be written then has been.
    func write(_ documents: [DocumentCounts], as update: CountUpdate) async throws(StoreError) {
        var parts = Self.parts(of: documents)[...]
        let failure = await withTaskGroup(of: StoreError?.self) { group in
            var failure: StoreError?
            for part in parts.prefix(MongoDriver.threads) { group.addTask { await self.attempt(part, as: update) } }
            parts = parts.dropFirst(MongoDriver.threads)
            for await result in group {
                // The first one that says what is wrong with the content is worth more than those that say "away".
                if let result, failure == nil || failure?.code == .unavailable { failure = result }
                // With nobody there, each further command would only wait for its own timeout.
                if failure?.code != .unavailable, let next = parts.popFirst() {
                    group.addTask { await self.attempt(next, as: update) }
                }
            }
            return failure
        }
        if let failure { throw failure }
    }

    /// Cuts the batch by client and number of statements.
    private static func parts(of documents: [DocumentCounts]) -> [Part] {
        var parts: [Part] = []
        var start = 0
        for index in documents.indices {
            let next = index + 1
            if next == documents.count || documents[next].client != documents[index].client
                || next - start == self.statementsPerCommand
            {
                for kind in Part.Kind.allCases { parts.append(Part(kind: kind, documents: documents[start..<next])) }
                start = next
            }
        }
        return parts
    }

    private func attempt(_ part: Part, as update: CountUpdate) async -> StoreError? {
        do throws(StoreError) {
            try await self.write(part, as: update)
            return nil
        } catch {
            return error
        }
    }

    private func write(_ part: Part, as update: CountUpdate) async throws(StoreError) {
        guard let client = part.documents.first?.client else { return }
        let collection = part.collection(of: client)
        var rest = part.documents
        var attemptsLeft = Self.attemptsAtDuplicateKeys
        var refused: [(document: DocumentCounts, fault: WriteReply.Fault)] = []
        while !rest.isEmpty {
            let documents = rest
            let (sent, reply) = try await self.driver.run { connection throws(MongoError) in
                let (command, sent) = Self.command(documents, kind: part.kind, collection: collection, as: update)
                let attempted = "apply a batch"
                return (sent, try WriteReply(try connection.write(command, attempted: attempted), attempted: attempted))
            }
            rest = documents.dropFirst(sent)
            var again: [DocumentCounts] = []
            for fault in reply.faults where fault.index < sent {
                let document = documents[documents.startIndex + fault.index]
                if fault.isDuplicateKey, attemptsLeft > 0 {
                    again.append(document)
                } else {
                    refused.append((document, fault))
                }
            }
            if !again.isEmpty {
                attemptsLeft -= 1
                rest = again + rest
            }
        }
        if let first = refused.first {
            throw self.report(refused, first: first.fault, in: collection, of: update.batch)
        }
    }

    /// Writes as many statements as fit one command; at least one.
    private static func command(
        _ documents: ArraySlice<DocumentCounts>, kind: Part.Kind, collection: String, as update: CountUpdate
    ) -> (command: BSONDocument, statements: Int) {
        var statements = 0
        let command = BSONWriter.document(reservingBytes: 256 + documents.count * 2048) {
            $0.string("update", collection)
            $0.bool("ordered", false)
            $0.array("updates") {
                for document in documents where $0.bytes.count < self.bytesPerCommand {
                    switch kind {
                    case .totals: update.appendTotals(of: document, to: &$0)
                    case .hours: update.appendHours(of: document, to: &$0)
                    }
                    statements += 1
                }
            }
        }
        return (command, statements)
    }

    private func report(
        _ refused: [(document: DocumentCounts, fault: WriteReply.Fault)], first: WriteReply.Fault,
        in collection: String,
        of batch: BatchID
    ) -> StoreError {
        for (document, fault) in refused {
            self.logger.error(
                "MongoDB did not take a document's counts; the batch stays pending",
                metadata: [
                    "collection": "\(collection)", "test": "\(document.test)", "batch": "\(batch)",
                    "code": "\(fault.code)", "error": "\(fault.message)",
                ])
        }
        let transient = refused.contains {
            MongoError.isTransient(serverCode: $0.fault.code) || $0.fault.isDuplicateKey
        }
        return StoreError(
            transient ? .unavailable : .refused,
            "MongoDB at \(self.driver.hosts): could not apply batch \(batch) to \(refused.count) documents of the "
                + "collection \(collection): \(first.message) (code \(first.code)). It stays pending, to be applied "
                + "again at the next flush; the log names the documents.")
    }
}
