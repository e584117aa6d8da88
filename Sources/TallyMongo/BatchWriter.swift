import Logging
import TallyCore

/// Writes a batch into the documents that it touches: cut into pieces, each of one client and one kind, since those lie
/// in one collection. Different pieces touch different documents, so they may be under way at once.
struct BatchWriter: Sendable {
    let driver: MongoDriver
    let logger: Logger

    /// How a gait is kept.
    private struct Stride {
        let documentsPerPiece: Int
        let piecesAtOnce: Int
        let pause: Duration

        init(_ gait: FlushPace.Gait) {
            switch gait {
            case .full: (self.documentsPerPiece, self.piecesAtOnce, self.pause) = (250, MongoDriver.threads, .zero)
            case .considerate: (self.documentsPerPiece, self.piecesAtOnce, self.pause) = (50, 1, .milliseconds(12))
            }
        }
    }

    /// Returns when every document has the batch, with a majority of the members.
    /// - Throws: `StoreError`; everything that could be written then has been.
    func write(_ documents: [DocumentCounts], as update: CountUpdate, pace: FlushPace) async throws(StoreError) {
        var rest = Remaining(documents: documents[...])
        var failure: StoreError?
        // With nobody there, each further command would only wait for its own timeout.
        while !rest.isEmpty, failure?.code != .unavailable {
            let stride = Stride(pace.gait)
            let pieces = (0..<stride.piecesAtOnce).compactMap { _ in
                rest.next(stride.documentsPerPiece).map { kind, documents in
                    DocumentWriter(driver: self.driver, update: update, kind: kind, documents: documents)
                }
            }
            for error in await self.attempt(pieces) where failure == nil || failure?.code == .unavailable {
                // The first one that says what is wrong with the content is worth more than those that say "away".
                failure = error
            }
            if stride.pause > .zero { try? await Task.sleep(for: stride.pause) }
        }
        if let failure { throw failure }
    }

    /// What of a batch is still to be written, cut by client, kind and number of documents.
    private struct Remaining {
        var documents: ArraySlice<DocumentCounts>
        /// Those whose totals are being written; their hours come next.
        var hours: ArraySlice<DocumentCounts> = []

        var isEmpty: Bool { self.documents.isEmpty && self.hours.isEmpty }

        mutating func next(_ maximum: Int) -> (CountUpdate.Kind, ArraySlice<DocumentCounts>)? {
            if !self.hours.isEmpty {
                defer { self.hours = [] }
                return (.hours, self.hours)
            }
            guard let client = self.documents.first?.client else { return nil }
            let piece = self.documents.prefix(maximum).prefix { $0.client == client }
            self.documents = self.documents.dropFirst(piece.count)
            self.hours = piece
            return (.totals, piece)
        }
    }

    private func attempt(_ pieces: [DocumentWriter]) async -> [StoreError] {
        await withTaskGroup(of: StoreError?.self) { group in
            for piece in pieces { group.addTask { await self.attempt(piece) } }
            return await group.reduce(into: []) { errors, error in if let error { errors.append(error) } }
        }
    }

    private func attempt(_ piece: DocumentWriter) async -> StoreError? {
        do throws(StoreError) {
            let refused = try await piece.write()
            return refused.isEmpty ? nil : self.report(refused, of: piece)
        } catch {
            return error
        }
    }

    private func report(_ refused: [DocumentWriter.Refused], of piece: DocumentWriter) -> StoreError {
        let batch = piece.update.batch
        for (document, fault) in refused.map({ ($0.document, $0.fault) }) {
            self.logger.error(
                "MongoDB did not take a document's counts; the batch stays pending",
                metadata: [
                    "collection": "\(piece.collection)", "test": "\(document.test)", "batch": "\(batch)",
                    "code": "\(fault.code)", "error": "\(fault.message)",
                ])
        }
        let first = refused[0].fault
        let isTransient = refused.contains { MongoError.isTransient(serverCode: $0.fault.code) }
        return StoreError(
            isTransient ? .unavailable : .refused,
            "MongoDB at \(self.driver.hosts): could not apply batch \(batch) to \(refused.count) documents of the "
                + "collection \(piece.collection): \(first.message) (code \(first.code)). It stays pending, to be "
                + "applied again at the next flush; the log names the documents.")
    }
}
