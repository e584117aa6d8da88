import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import TallyCore
import TallyTrack

/// Turns everything that goes wrong outside /track into `application/problem+json`, and a known path with a wrong
/// method into a 405 that names the right ones.
struct ProblemMiddleware: RouterMiddleware {
    /// Paths and their methods.
    let routes: [String: [HTTPRequest.Method]]

    func handle(
        _ request: Request, context: ReadContext, next: (Request, ReadContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return Response(self.problem(of: error, request, context))
        }
    }

    private func problem(of error: any Error, _ request: Request, _ context: ReadContext) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let error as StoreError where error.code == .unavailable:
            context.logger.log(.storeUnreadable, "the store cannot be read", [.reason: "\(error)"])
            return Problem(status: 503, detail: "the store cannot be reached; try again soon", retryAfterSeconds: 5)
        case let error as HTTPError where error.status == .notFound:
            let path = request.uri.path
            if let methods = self.routes[path] {
                let allow = methods.map(\.rawValue).joined(separator: ", ")
                return Problem(
                    status: 405, detail: "\(path) takes \(allow), not \(request.method.rawValue.prefix(32))",
                    allow: allow)
            }
            let known = (self.routes.keys + ["/track"]).sorted().joined(separator: ", ")
            return Problem(status: 404, detail: "there is nothing here; there is \(known)")
        case let error as HTTPError:
            return Problem(status: error.status.code, detail: error.body ?? error.status.reasonPhrase)
        default:
            context.logger.log(
                .requestFailed, "request failed",
                [.path: String(request.uri.path.prefix(64)), .reason: "\(error)"])
            return Problem(status: 500, detail: "this should not have happened; the reason is in the log")
        }
    }
}

extension Response {
    init(_ problem: Problem) {
        var headers: HTTPFields = [.contentType: "application/problem+json", .cacheControl: "no-store"]
        if let seconds = problem.retryAfterSeconds { headers[.retryAfter] = String(seconds) }
        if let allow = problem.allow { headers[.allow] = allow }
        self.init(
            status: .init(code: problem.status), headers: headers,
            body: .init(byteBuffer: ByteBuffer(bytes: problem.json)))
    }
}
