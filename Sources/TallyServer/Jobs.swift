import Logging
import TallyConfig
import TallyCore
import TallyCron
import TallyFlush

/// Every job of the service, registered in this one place.
enum Jobs {
    static func register(
        on cron: CronJobs, settings: Settings, flushing: Flushing, auditing: Auditing
    ) throws {
        cron.scheduleCronJob("flush", settings.flushSchedule) { try await flushing.run() }
        // Every minute; by then the flush that begins on the minute is over, nearly always.
        cron.scheduleCronJob("audit", try CronSchedule("30 * * * * *")) { try await auditing.run() }
    }
}

/// The flush as a job: what it says in the log, and what it does where going on would be wrong.
struct Flushing: Sendable {
    let flusher: Flusher
    let thread: BackgroundThread
    let meter: FlushMeter
    /// Ends the service: another deployment owns the buffer.
    let onOwnedByAnother: @Sendable (BufferError) -> Void

    /// - Returns: What was moved, in words; nil where there was nothing to move.
    /// - Parameter isUrgent: The service is stopping.
    func run(isUrgent: Bool = false) async throws -> String? {
        do {
            let report = try await self.meter.measure {
                try await withTaskExecutorPreference(self.thread) { try await self.flusher.flush(isUrgent: isUrgent) }
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

/// The audit as a job. A mismatch is the job's failure, so that it stands in the log as an error.
struct Auditing: Sendable {
    let auditor: Auditor
    let meter: AuditMeter

    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    /// - Returns: What kept it from being made, in words; nil where the books balance.
    func run() async throws -> String? {
        let report: AuditReport
        do {
            report = try await self.auditor.audit()
        } catch let error as BufferError where error.code == .unavailable {
            // The flush says so, too, and louder.
            return "not made: \(error)"
        } catch let error as StoreError where error.code == .unavailable {
            return "not made: \(error)"
        }
        self.meter.record(report)
        if let fault = report.fault { throw Mismatch(description: fault) }
        return nil
    }
}
