import Hummingbird
import Logging
import TallyAccess
import TallyCore
import TallyTrack

/// Lets in those who may read, by their address.
struct ReadAccessMiddleware: RouterMiddleware {
    let access: AccessRule

    func handle(
        _ request: Request, context: ReadContext, next: (Request, ReadContext) async throws -> Response
    ) async throws -> Response {
        let decision = self.access.decide(request, context)
        if let refusal = decision.refusal {
            context.logger.log(
                .requestRefused, "request refused",
                [
                    .status: "403", .address: decision.seen, .path: String(request.uri.path.prefix(64)),
                    .problem: Problem.Reason.forbidden.rawValue, .reason: "\(refusal)",
                ])
            throw Problem(status: 403, detail: "\(refusal) (READ_ALLOWED_IPS)")
        }
        return try await next(request, context)
    }
}
