import Logging
import TallyCore

/// Writes a batch into the documents that it touches: cut into pieces, each of one client and one kind, since those lie
/// in one collection. Different pieces touch different documents, so they may be under way at once.
struct BatchWriter: Sendable {
    let driver: MongoDriver
    let logger: Logger

    /// How a pace is kept.
    private struct Stride {
        let documentsPerPiece: Int
        let piecesAtOnce: Int
        /// How long to pause after a piece, in times of what it took.
        let pause: Double

        init(_ pace: FlushPace) {
            switch pace {
            case .full: (self.documentsPerPiece, self.piecesAtOnce, self.pause) = (250, MongoDriver.threads, 0)
            case .considerate: (self.documentsPerPiece, self.piecesAtOnce, self.pause) = (50, 1, 2)
            }
        }
    }

    /// Returns when every document has the batch, with a majority of the members.
    /// - Throws: `StoreError`; everything that could be written then has been.
    func write(_ documents: [DocumentCounts], as update: CountUpdate, pace: FlushPace) async throws(StoreError) {
        let stride = Stride(pace)
        var pieces = self.pieces(of: documents, stride.documentsPerPiece, update)[...]
        let failure = await withTaskGroup(of: StoreError?.self) { group in
            var failure: StoreError?
            for piece in pieces.prefix(stride.piecesAtOnce) { group.addTask { await self.attempt(piece, stride) } }
            pieces = pieces.dropFirst(stride.piecesAtOnce)
            for await result in group {
                // The first one that says what is wrong with the content is worth more than those that say "away".
                if let result, failure == nil || failure?.code == .unavailable { failure = result }
                // With nobody there, each further command would only wait for its own timeout.
                if failure?.code != .unavailable, let next = pieces.popFirst() {
                    group.addTask { await self.attempt(next, stride) }
                }
            }
            return failure
        }
        if let failure { throw failure }
    }

    /// Cuts the batch by client and number of documents.
    private func pieces(
        of documents: [DocumentCounts], _ documentsPerPiece: Int, _ update: CountUpdate
    ) -> [DocumentWriter] {
        var pieces: [DocumentWriter] = []
        var start = 0
        for index in documents.indices {
            let next = index + 1
            if next == documents.count || documents[next].client != documents[index].client
                || next - start == documentsPerPiece
            {
                for kind in CountUpdate.Kind.allCases {
                    pieces.append(
                        DocumentWriter(
                            driver: self.driver, update: update, kind: kind, documents: documents[start..<next]))
                }
                start = next
            }
        }
        return pieces
    }

    private func attempt(_ piece: DocumentWriter, _ stride: Stride) async -> StoreError? {
        do throws(StoreError) {
            let began = ContinuousClock.now
            let refused = try await piece.write()
            if stride.pause > 0 { try? await Task.sleep(for: (ContinuousClock.now - began) * stride.pause) }
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
