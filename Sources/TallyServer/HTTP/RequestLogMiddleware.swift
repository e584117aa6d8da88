import HTTPTypes
import Hummingbird
import NIOCore
import TallyAccess
import TallyCore
import TallyTrack

/// Calls each request outside /track something, in its log lines and in `X-Request-ID` of its answer, and writes its
/// line of the access log.
struct RequestLogMiddleware: RouterMiddleware {
    let accessLog: AccessLog?
    /// Says who calls; whether they may is not decided here.
    let access: AccessRule

    func handle(
        _ request: Request, context: ReadContext, next: (Request, ReadContext) async throws -> Response
    ) async throws -> Response {
        let began = NIODeadline.now()
        let id = RequestID.sane(request.headers[.xRequestID]) ?? RequestID.made()
        var context = context
        context.logger[metadataKey: "hb.request.id"] = nil
        context.logger[metadataKey: LogField.requestID.rawValue] = "\(id)"
        var response = try await next(request, context)
        response.headers[.xRequestID] = id
        if let accessLog, accessLog.takesNext() {
            accessLog.record(
                requestID: id, address: self.access.decide(request, context).seen,
                method: String(request.method.rawValue.prefix(32)), path: String(request.uri.path.prefix(64)),
                status: response.status.code, nanoseconds: (NIODeadline.now() - began).nanoseconds)
        }
        return response
    }
}

extension HTTPField.Name {
    // A literal of token characters is always a name (RFC 9110, section 5.1).
    static let xRequestID = Self("X-Request-ID")!
}
