import TallyCore

/// Applies dead letters whose documents have been mended.
struct DeadLetterReplay: Sendable {
    let driver: MongoDriver
    let letters: DeadLetters

    /// A flush beside this one may add letters behind those that are just being moved; so often it is looked again.
    private static let maximumRounds = 10

    /// - Throws: `StoreError`. What was moved by then stays moved.
    func run() async throws(StoreError) -> DeadLetterReport {
        var report = DeadLetterReport()
        var moved: Set<DocumentKey> = []
        for _ in 1...Self.maximumRounds {
            let before = report.batches
            for key in try await self.letters.queues().map(DocumentKey.init) {
                if try await self.replay(key, into: &report) { moved.insert(key) }
            }
            if report.batches == before { break }
        }
        report.refused = try await self.letters.queues()
        report.documents = moved.subtracting(report.refused.map(DocumentKey.init)).count
        return report
    }

    /// In the order of their numbers, and no further than to the first that is refused: a later number would make it a
    /// no-op. Returns whether any was moved.
    private func replay(
        _ key: DocumentKey, into report: inout DeadLetterReport
    ) async throws(StoreError) -> Bool {
        let before = report.batches
        while true {
            let letters = try await self.letters.first(of: key)
            if letters.isEmpty { return report.batches > before }
            for letter in letters {
                let refused = try await DocumentWriter(
                    driver: self.driver, update: letter.update, kind: key.kind, documents: [letter.document][...]
                ).write()
                if let fault = refused.first?.fault {
                    guard fault.isOfDocument else {
                        throw MongoError(
                            .server, code: fault.code, message: fault.message, attempted: "replay a dead letter"
                        ).storeError(hosts: self.driver.hosts)
                    }
                    try await self.letters.note(fault, for: letter)
                    return report.batches > before
                }
                try await self.letters.remove(letter)
                report.batches += 1
                report.total += letter.total
            }
        }
    }
}

extension DocumentKey {
    fileprivate init(_ queue: DeadLetterQueue) {
        self.init(kind: queue.day == nil ? .totals : .hours, client: queue.client, test: queue.test, day: queue.day)
    }
}
