import Logging
import TallyConfig
import TallyCore
import TallyCron
public import TallyFlush

/// Every job of the service, registered in this one place.
enum Jobs {
    static func register(on cron: CronJobs, settings: Settings, flushing: Flushing) {
        cron.scheduleCronJob("flush", settings.flushSchedule) { try await flushing.run() }
    }
}

/// The flush as a job: what it says in the log, and what it does where going on would be wrong.
struct Flushing: Sendable {
    let flusher: Flusher
    let thread: BackgroundThread
    /// Ends the service: another deployment owns the buffer.
    let onOwnedByAnother: @Sendable (BufferError) -> Void

    /// - Returns: What was moved, in words; nil where there was nothing to move.
    /// - Parameter isUrgent: The service is stopping.
    func run(isUrgent: Bool = false) async throws -> String? {
        do {
            let report = try await withTaskExecutorPreference(self.thread) {
                try await self.flusher.flush(isUrgent: isUrgent)
            }
            if !report.skippedBuffers.isEmpty {
                return "another instance is flushing \(report.skippedBuffers.joined(separator: ", "))"
            }
            return report.batches == 0 ? nil : report.summary
        } catch let error as FlushError {
            if let owned = error.bufferError, owned.code == .ownedByAnother { self.onOwnedByAnother(owned) }
            throw error
        }
    }
}

extension FlushReport {
    /// `moved 10,000 counts of 500 counters into 20 documents, in 1 batch`.
    public var summary: String {
        "moved \(Self.grouped(self.total)) \(self.total == 1 ? "count" : "counts") of \(Self.grouped(self.counters)) "
            + "\(self.counters == 1 ? "counter" : "counters") into \(Self.grouped(self.documents)) "
            + "\(self.documents == 1 ? "document" : "documents"), in \(Self.grouped(self.batches)) "
            + (self.batches == 1 ? "batch" : "batches")
    }

    private static func grouped(_ number: some BinaryInteger) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
