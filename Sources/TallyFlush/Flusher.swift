public import Logging
public import TallyCore

/// Moves what the buffers hold into the store.
///
/// One movement for each batch, oldest first: read it, apply it to the store under its number, acknowledge it. A flush
/// that stops anywhere leaves the rest pending, and the next one goes on from there; a batch that was applied and not
/// acknowledged is applied again and changes nothing.
public struct Flusher: Sendable {
    /// As many counters a flush moves as fast as it can, 0.2 s of work at most; a larger one goes on considerately where
    /// counts come in meanwhile. What nearly every flush has to do fits into it.
    static let countersAtFullPace = 20_000

    private let buffers: [any CounterBuffer]
    private let store: any CounterStore
    private let logger: Logger
    private let traffic: TrafficGauge?
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - buffers: All that may hold counts for this store: the one in use, and what an earlier configuration left.
    ///   - traffic: Of the counts that come in meanwhile; nil where this process takes none.
    ///   - now: The time, in seconds since 1970.
    public init(
        buffers: [any CounterBuffer], store: any CounterStore, logger: Logger, traffic: TrafficGauge? = nil,
        now: @escaping @Sendable () -> Int64
    ) {
        self.buffers = buffers
        self.store = store
        self.logger = logger
        self.traffic = traffic
        self.now = now
    }

    /// Flushes all buffers. One that fails does not keep the others from being flushed.
    /// - Parameters:
    ///   - isUrgent: Somebody waits for it: it keeps its full pace, however much there is.
    ///   - progress: Called after every batch.
    /// - Throws: `FlushError`, after all buffers have had their turn.
    public func flush(
        isUrgent: Bool, progress: @Sendable (FlushProgress) -> Void = { _ in }
    ) async throws -> FlushReport {
        let began = self.now()
        var report = FlushReport()
        var failures: [FlushError.Failure] = []
        for buffer in self.buffers {
            do {
                let drained = try await buffer.withFlushLock { await self.drain(buffer, isUrgent, progress) }
                guard let drained else {
                    report.skippedBuffers.append(buffer.kind)
                    continue
                }
                report.add(drained.report)
                if let error = drained.error { failures.append(.init(buffer: buffer.kind, error: error)) }
            } catch {
                failures.append(.init(buffer: buffer.kind, error: error))
            }
        }
        if failures.isEmpty && report.skippedBuffers.isEmpty {
            do {
                try await self.store.recordFlush(at: began)
            } catch {
                failures.append(.init(buffer: "all", error: error))
            }
        }
        guard failures.isEmpty else { throw FlushError(failures: failures, report: report) }
        return report
    }

    /// What was moved, and what kept the rest from it.
    private func drain(
        _ buffer: any CounterBuffer, _ isUrgent: Bool, _ progress: @Sendable (FlushProgress) -> Void
    ) async -> (report: FlushReport, error: (any Error)?) {
        var report = FlushReport()
        do {
            try await self.drain(buffer, isUrgent, progress, into: &report)
            return (report, nil)
        } catch {
            return (report, error)
        }
    }

    private func drain(
        _ buffer: any CounterBuffer, _ isUrgent: Bool, _ progress: @Sendable (FlushProgress) -> Void,
        into report: inout FlushReport
    ) async throws {
        try await buffer.seal()
        var list = PendingList(try await buffer.pending())
        FailPoint.reach(.afterBarrier)
        var pace = FlushPace.full
        let longPace = FlushPace { [traffic] in !isUrgent && traffic?.isBusy == true ? .considerate : .full }
        var index = 0
        var timesGone: [BatchID: Int] = [:]
        while index < list.entries.count {
            let entry = list.entries[index]
            index += 1
            var applied: SealedBatch?
            switch entry {
            case .batch(let id):
                guard let batch = try await buffer.read(id) else {
                    // Another flusher has finished it; or else the buffer was put back to an older copy, which never had
                    // it, and may go forward again. Either way this list is no longer true: whoever went on in it could
                    // take the next batch to the store before one that nobody has applied, and there every lower number
                    // counts as finished. What is listed again, and is not there, is nothing that can be applied.
                    timesGone[id, default: 0] += 1
                    if timesGone[id] == 1 {
                        list = PendingList(
                            try await buffer.pending(), without: Set(timesGone.filter { $0.value > 1 }.keys))
                        index = 0
                    } else if timesGone[id] == 2 {
                        list.giveUp(id)
                        self.logger.log(
                            .batchGone, "a batch that waits for the flush is not there; the flush goes on without it",
                            [.batch: "\(id)", .buffer: buffer.kind])
                    }
                    continue
                }
                if report.counters + batch.counters > Self.countersAtFullPace { pace = longPace }
                try await self.store.apply(batch, pace: pace, oldest: list.oldest[id.epoch])
                applied = batch
                self.logger.log(
                    .batchApplied, "batch applied",
                    [.batch: "\(id)", .buffer: buffer.kind, .counters: String(batch.counters)])
            case .epochClosed(let epoch):
                try await self.store.close(epoch)
            }
            FailPoint.reach(.beforeAcknowledge)
            try await buffer.acknowledge(entry, pace: pace)
            FailPoint.reach(.afterAcknowledge)
            // One that could not be acknowledged comes again, and is reported then.
            if let applied { report.add(applied) }
            progress(FlushProgress(buffer: buffer.kind, done: index, of: list.entries.count, report: report))
        }
    }
}
