import ArgumentParser
import TallyCore
import TallyFlush
import TallyServer

struct Flush: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Move what is counted into the store now, and say what moved.",
        discussion: """
            Beside a service that runs, too: two flushes at once count nothing twice.

            What a single document in MongoDB refuses is kept as a dead letter. With --dead-letters these are applied
            after the flush, in their order; those that are refused again stay, are listed, and the exit code is 1. Mend
            the documents first. The embedded store has no dead letters.

            Examples:
              tally flush --redis-url redis://127.0.0.1:6379 --mongodb-uri mongodb://127.0.0.1:27017/tally
              tally flush --dead-letters
            """)

    @Flag(help: "Then move what documents had refused.") var deadLetters = false
    @OptionGroup var options: SettingOptions

    func run() async throws {
        try await reporting {
            try await withStorage(self.options) { storage, logger in
                let flusher = Flusher(
                    buffers: storage.buffers, store: storage.store, logger: logger, now: Timestamp.now)
                let progress = ProgressLine()
                defer { progress.end() }
                let show: @Sendable (FlushProgress) -> Void = { flush in
                    progress.show(
                        "\(flush.buffer): \(flush.done) of \(Quantity.of(flush.of, "batch", "batches")), "
                            + Quantity.of(flush.report.total, "count"))
                }
                // A service beside this one may hold the lock for a moment; what was asked for is a flush, so it waits.
                var last = try await flusher.flush(isUrgent: true, progress: show)
                var report = last
                while !last.skippedBuffers.isEmpty {
                    try await Task.sleep(for: .milliseconds(200))
                    last = try await flusher.flush(isUrgent: true, progress: show)
                    report.add(last)
                }
                progress.end()
                print(report.batches == 0 ? "nothing to move" : report.summary)
                try await self.tendDeadLetters(storage.store)
            }
        }
    }

    /// - Throws: `ExitCode` 1 where they were to be moved and documents refuse their counts still.
    private func tendDeadLetters(_ store: any CounterStore) async throws {
        guard self.deadLetters else {
            let refused = try await store.deadLetters()
            if !refused.isEmpty {
                printError(
                    "\(Quantity.of(refused.count, "document")) did not take all counts; "
                        + "tally flush --dead-letters tries again, and says why where they are refused still")
            }
            return
        }
        let report = try await store.replayDeadLetters()
        print("dead letters: \(report.batches == 0 ? "nothing to move" : report.summary)")
        guard !report.refused.isEmpty else { return }
        print("still refused; mend these documents, then run tally flush --dead-letters again:\n")
        print(DeadLetterTable.render(report.refused))
        throw ExitCode(ExitStatus.checkFailed)
    }
}
