import TallyCore
import Testing

@testable import TallyFlush

@Suite("The books, without servers")
struct AuditTests {
    private let current = Epoch(0xC)
    private let past = Epoch(0xA)

    private func books(
        store: [StoreLedgerEntry], accepted: [Epoch: Int64], lastNumber: Int64, pending: [(Epoch, Int64, Int64)] = [],
        live: Int64 = 0
    ) -> AuditedBooks {
        AuditedBooks(
            store: store,
            buffers: [
                .init(
                    kind: "redis",
                    ledger: BufferLedger(
                        epoch: self.current, lastNumber: lastNumber, accepted: accepted,
                        pending: pending.map { .init(id: BatchID(epoch: $0.0, number: $0.1), total: $0.2) }, live: live)
                )
            ])
    }

    private func entry(
        _ epoch: Epoch, upTo lastNumber: Int64, _ total: Int64, deadLettered: Int64 = 0, isClosed: Bool = false
    ) -> StoreLedgerEntry {
        StoreLedgerEntry(
            epoch: epoch, buffer: "redis", lastNumber: lastNumber, total: total, deadLettered: deadLettered,
            isClosed: isClosed)
    }

    @Test("a buffer that nothing was counted in is balanced")
    func empty() {
        let books = self.books(store: [], accepted: [self.current: 0], lastNumber: 0)
        #expect(books.isComplete)
        #expect(
            books.report(at: 7)
                == AuditReport(
                    checkedAt: 7,
                    buffers: [
                        BufferAudit(
                            buffer: "redis",
                            epochs: [EpochAudit(epoch: self.current, isCurrent: true, sums: AuditSums())])
                    ], others: AuditSums()))
        #expect(books.report(at: 7).isBalanced)
    }

    @Test("what is live, sealed, finished and dead-lettered adds up to what was accepted")
    func balanced() {
        let books = self.books(
            store: [self.entry(self.current, upTo: 3, 60, deadLettered: 5)], accepted: [self.current: 111],
            lastNumber: 5, pending: [(self.current, 4, 20), (self.current, 5, 30)], live: 1)
        let report = books.report(at: 0)
        #expect(books.isComplete && report.isBalanced && report.fault == nil)
        #expect(report.sums == AuditSums(accepted: 111, persisted: 55, pending: 51, deadLettered: 5))
    }

    @Test("a batch that the store has finished and the buffer still shows counts once, as persisted")
    func unacknowledged() {
        let books = self.books(
            store: [self.entry(self.current, upTo: 2, 30)], accepted: [self.current: 60], lastNumber: 3,
            pending: [(self.current, 1, 10), (self.current, 2, 20), (self.current, 3, 30)])
        #expect(books.isComplete && books.report(at: 0).isBalanced)
        #expect(books.report(at: 0).sums.pending == 30)
    }

    @Test(
        "one count too few or too many in the current epoch is found",
        arguments: [(accepted: 59, words: "1 too many"), (accepted: 61, words: "1 too few")] as [(Int64, String)])
    func mismatch(accepted: Int64, words: String) {
        let report = self.books(
            store: [self.entry(self.current, upTo: 1, 40)], accepted: [self.current: accepted], lastNumber: 2,
            pending: [(self.current, 2, 15)], live: 5
        ).report(at: 0)
        #expect(!report.isBalanced)
        #expect(report.fault?.contains("redis, epoch 000000000000000c: \(accepted) accepted") == true)
        #expect(report.fault?.contains(words) == true)
    }

    @Test("faults of two epochs do not make up for one another")
    func twoFaults() {
        let report = self.books(
            store: [self.entry(self.current, upTo: 1, 11), self.entry(self.past, upTo: 1, 9, isClosed: true)],
            accepted: [self.current: 10, self.past: 10], lastNumber: 1
        ).report(at: 0)
        #expect(report.sums.difference == 0)
        #expect(!report.isBalanced)
    }

    @Test("a past epoch may have more in the store than the buffer remembers, never less")
    func restored() {
        func report(_ total: Int64) -> AuditReport {
            self.books(
                store: [self.entry(self.past, upTo: 4, total, isClosed: true)],
                accepted: [self.current: 0, self.past: 50], lastNumber: 0, pending: [(self.past, 3, 10)]
            ).report(at: 0)
        }
        #expect(report(50).isBalanced && report(50).restored == 0)
        #expect(report(58).isBalanced && report(58).restored == 8)
        #expect(!report(49).isBalanced && report(49).restored == 0)
    }

    @Test("batches of an epoch whose sum is known no more are an excess, not a loss")
    func forgotten() {
        let books = self.books(
            store: [], accepted: [self.current: 0], lastNumber: 0, pending: [(self.past, 1, 10)])
        #expect(books.isComplete && books.report(at: 0).isBalanced)
        #expect(books.report(at: 0).restored == 10)
    }

    @Test("what went into another store is in no sum, and a batch behind it completes the numbers")
    func elsewhere() {
        func report(persisted: Int64) -> (books: AuditedBooks, report: AuditReport) {
            let books = AuditedBooks(
                store: [self.entry(self.past, upTo: 18, persisted)],
                buffers: [
                    .init(
                        kind: "spool",
                        ledger: BufferLedger(
                            epoch: self.current, lastNumber: 0, accepted: [self.current: 0, self.past: 120],
                            pending: [.init(id: BatchID(epoch: self.past, number: 19), total: 3)], live: 0,
                            elsewhere: [self.past: .init(lastNumber: 17, total: 100)]))
                ])
            return (books, books.report(at: 0))
        }
        let (books, balanced) = report(persisted: 17)
        #expect(books.isComplete && balanced.isBalanced && balanced.restored == 0)
        #expect(balanced.elsewhere == 100 && balanced.sums.accepted == 20)
        #expect(report(persisted: 16).report.fault?.contains("1 too few") == true)
    }

    @Test("epochs that no buffer here knows stand as the store has them")
    func others() {
        let report = self.books(
            store: [self.entry(Epoch(1), upTo: 4, 100, deadLettered: 7), self.entry(Epoch(2), upTo: 1, 10)],
            accepted: [self.current: 0], lastNumber: 0
        ).report(at: 0)
        #expect(report.isBalanced)
        #expect(report.others == AuditSums(accepted: 110, persisted: 103, pending: 0, deadLettered: 7))
        #expect(report.sums == report.others)
    }

    @Test(
        "a batch that was moved between the two looks is missed, by its number", arguments: 1...3 as ClosedRange<Int64>)
    func moved(number: Int64) {
        let all: [(Epoch, Int64, Int64)] = (1...3).map { (self.current, $0, 10) }
        let books = self.books(
            store: [], accepted: [self.current: 30], lastNumber: 3, pending: all.filter { $0.1 != number })
        #expect(!books.isComplete)
    }

    @Test("books in which batches moved are not as before; new counts alone change nothing")
    func asBefore() {
        let first = self.books(
            store: [self.entry(self.current, upTo: 1, 10)], accepted: [self.current: 30], lastNumber: 2,
            pending: [(self.current, 2, 20)])
        let counted = self.books(
            store: [self.entry(self.current, upTo: 1, 10)], accepted: [self.current: 35], lastNumber: 2,
            pending: [(self.current, 2, 20)], live: 5)
        let acknowledged = self.books(
            store: [self.entry(self.current, upTo: 1, 10)], accepted: [self.current: 30], lastNumber: 2)
        let finished = self.books(
            store: [self.entry(self.current, upTo: 2, 30)], accepted: [self.current: 30], lastNumber: 2,
            pending: [(self.current, 2, 20)])
        #expect(!first.isAsBefore(nil))
        #expect(first.isAsBefore(first) && counted.isAsBefore(first))
        #expect(!acknowledged.isAsBefore(first) && !finished.isAsBefore(first))
    }
}
