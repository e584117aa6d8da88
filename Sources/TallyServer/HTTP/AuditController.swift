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
            context.logger.log(.bufferUnreadable, "the books cannot be read", [.reason: "\(error)"])
            json = AuditJSON.renderUnreadable("buffer", reason: "\(error)", at: self.auditor.now())
        } catch let error as StoreError {
            context.logger.log(.storeUnreadable, "the books cannot be read", [.reason: "\(error)"])
            json = AuditJSON.renderUnreadable("store", reason: "\(error)", at: self.auditor.now())
        }
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: json)))
    }
}
