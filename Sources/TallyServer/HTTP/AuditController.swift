import HTTPTypes
import Hummingbird
import NIOCore
import TallyCore
import TallyFlush
import TallyTrack

/// `GET /audit`: the books as they stand now. 200 whether they balance or not, since that is the answer and not a failure
/// of giving it; 503 where buffer or store cannot be read, since then there is no answer.
struct AuditController {
    let auditor: Auditor

    func audit(_ request: Request, _ context: ReadContext) async throws -> Response {
        let report: AuditReport
        do {
            report = try await self.auditor.audit()
        } catch let error as BufferError where error.code == .unavailable {
            context.logger.log(.bufferUnreadable, "the buffer cannot be read", [.reason: "\(error)"])
            throw Problem(
                status: 503, detail: "the buffer cannot be reached, so the books cannot be checked; try again soon",
                retryAfterSeconds: 5)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: AuditJSON.render(report))))
    }
}
