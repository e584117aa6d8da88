import HTTPTypes
import Hummingbird
import NIOCore
import TallyCore
import TallyFlush

/// `GET /audit`: the books as they stand now. Always 200, since what it finds is the answer and not a failure of giving
/// it; where buffer or store cannot be read, they are not known to balance, and the answer says why.
struct AuditController {
    let auditor: Auditor

    func audit(_ request: Request, _ context: ReadContext) async throws -> Response {
        let json: [UInt8]
        do {
            json = AuditJSON.render(try await self.auditor.audit())
        } catch let error as BufferError {
            json = self.unreadable("buffer", "\(error)", context)
        } catch let error as StoreError {
            json = self.unreadable("store", "\(error)", context)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: json)))
    }

    private func unreadable(_ part: String, _ reason: String, _ context: ReadContext) -> [UInt8] {
        context.logger.warning("the books cannot be read", metadata: ["part": "\(part)", "reason": "\(reason)"])
        return AuditJSON.renderUnreadable(part, reason: reason, at: self.auditor.now())
    }
}
