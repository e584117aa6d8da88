import Logging
import TallyCore

/// Writes a batch into the documents that it touches: cut into pieces, each of one client and one kind, since those lie
/// in one collection. Different pieces touch different documents, so they may be under way at once.
///
/// What a document refuses for reasons of its own becomes a dead letter, and so does what comes for a document that has
/// some already; the batch is then done with that document.
struct BatchWriter: Sendable {
    let driver: MongoDriver
    let letters: DeadLetters
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

    /// Returns when every document has the batch, or a letter is kept for it, with a majority of the members.
    /// - Parameter waiting: documents that have dead letters already.
    /// - Throws: `StoreError`; everything that could be written then has been.
    func write(
        _ documents: [DocumentCounts], as update: CountUpdate, behind waiting: Set<DocumentKey>, pace: FlushPace
    ) async throws(StoreError) {
        var rest = Remaining(documents: documents[...])
        var outcome = Outcome()
        // With nobody there, each further command would only wait for its own timeout.
        while !rest.isEmpty, outcome.failure?.code != .unavailable {
            let stride = Stride(pace.gait)
            let pieces = (0..<stride.piecesAtOnce).compactMap { _ in
                rest.next(stride.documentsPerPiece).map { kind, documents in
                    Piece(update: update, kind: kind, documents: documents, waiting: waiting)
                }
            }
            for piece in await self.attempt(pieces) { outcome.add(piece) }
            if stride.pause > .zero { try? await Task.sleep(for: stride.pause) }
        }
        self.report(outcome.letters, of: update.batch)
        if let failure = outcome.failure { throw failure }
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

    /// Documents of one client and one kind.
    private struct Piece: Sendable {
        let update: CountUpdate
        let kind: CountUpdate.Kind
        /// Those to be asked.
        let documents: ArraySlice<DocumentCounts>
        /// Those that have dead letters already.
        let queued: [DocumentCounts]

        init(
            update: CountUpdate, kind: CountUpdate.Kind, documents: ArraySlice<DocumentCounts>,
            waiting: Set<DocumentKey>
        ) {
            self.update = update
            self.kind = kind
            let waits = { (document: DocumentCounts) in
                !waiting.isEmpty && waiting.contains(update.key(kind, of: document))
            }
            self.queued = documents.filter(waits)
            self.documents = self.queued.isEmpty ? documents : documents.filter { !waits($0) }[...]
        }
    }

    private struct Outcome: Sendable {
        var failure: StoreError?
        var letters: [DeadLetter] = []

        mutating func add(_ other: Outcome) {
            self.letters += other.letters
            // The first one that says what is wrong with the content is worth more than those that say "away".
            if let failure = other.failure, self.failure == nil || self.failure?.code == .unavailable {
                self.failure = failure
            }
        }
    }

    private func attempt(_ pieces: [Piece]) async -> [Outcome] {
        await withTaskGroup(of: Outcome.self) { group in
            for piece in pieces { group.addTask { await self.attempt(piece) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func attempt(_ piece: Piece) async -> Outcome {
        var outcome = Outcome()
        do throws(StoreError) {
            var letters = piece.queued.map { DeadLetter($0, piece.kind, of: piece.update, fault: nil) }
            var passing: [DocumentWriter.Refused] = []
            if !piece.documents.isEmpty {
                let refused = try await DocumentWriter(
                    driver: self.driver, update: piece.update, kind: piece.kind, documents: piece.documents
                ).write()
                letters += refused.filter(\.fault.isOfDocument).map {
                    DeadLetter($0.document, piece.kind, of: piece.update, fault: $0.fault)
                }
                passing = refused.filter { !$0.fault.isOfDocument }
            }
            try await self.letters.keep(letters)
            outcome.letters = letters
            if !passing.isEmpty { outcome.failure = self.failure(passing, of: piece) }
        } catch {
            outcome.failure = error
        }
        return outcome
    }

    /// What was refused for reasons that are not the documents' own.
    private func failure(_ refused: [DocumentWriter.Refused], of piece: Piece) -> StoreError {
        let first = refused[0]
        let isTransient = refused.contains { MongoError.isTransient(serverCode: $0.fault.code) }
        return StoreError(
            isTransient ? .unavailable : .refused,
            "MongoDB at \(self.driver.hosts): could not apply batch \(piece.update.batch) to \(refused.count) documents "
                + "of the collection \(piece.update.key(piece.kind, of: first.document).collection): "
                + "\(first.fault.message) (code \(first.fault.code)). It stays pending, to be applied again at the "
                + "next flush.")
    }

    /// How many documents the log names for one batch.
    private static let namedInLog = 10

    private func report(_ letters: [DeadLetter], of batch: BatchID) {
        for letter in letters.prefix(Self.namedInLog) {
            self.logger.log(
                .deadLetter,
                """
                a document does not take its counts; they are kept as a dead letter. Mend the document, then run \
                tally flush --dead-letters
                """,
                [
                    .collection: letter.key.collection, .test: "\(letter.key.test)", .batch: "\(batch)",
                    .counts: "\(letter.sum)", .code: "\(letter.code)", .error: letter.message,
                ])
        }
        if letters.count > Self.namedInLog {
            self.logger.log(
                .deadLettersMore, "further documents do not take their counts; tally flush --dead-letters lists them",
                [.batch: "\(batch)", .documents: String(letters.count - Self.namedInLog)])
        }
    }
}
