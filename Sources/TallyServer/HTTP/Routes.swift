import HTTPTypes
import Hummingbird
import TallyAccess
import TallyCore
import TallyFlush
import TallyTrack

/// All routes but /track, which `TrackHandler` answers before they are asked.
enum Routes {
    typealias Handler = @Sendable (Request, ReadContext) async throws -> Response

    static func router(
        buffer: any CounterBuffer, store: any CounterStore, auditor: Auditor, measured: MetricsController,
        accessLog: AccessLog?, readAccess: AccessRule
    ) -> Router<ReadContext> {
        let health = HealthController(buffer: buffer, store: store, access: readAccess)
        let read = ReadController(store: store)
        let books = AuditController(auditor: auditor)
        let open: [(String, Handler)] = [("/livez", health.livez), ("/readyz", health.readyz)]
        let guarded: [(String, Handler)] = [
            ("/get-metric", read.getMetric), ("/clients", read.clients), ("/audit", books.audit),
            ("/metrics", measured.metrics), ("/openapi.json", OpenAPIController().document),
        ]

        let router = Router(context: ReadContext.self, options: [.autoGenerateHeadEndpoints])
        let paths = (open + guarded).map(\.0)
        router.add(middleware: RequestLogMiddleware(accessLog: accessLog, access: readAccess))
        router.add(
            middleware: ProblemMiddleware(routes: Dictionary(uniqueKeysWithValues: paths.map { ($0, [.get, .head]) })))
        for (path, handler) in open { router.get(RouterPath(path), use: handler) }
        let readers = router.group().add(middleware: ReadAccessMiddleware(access: readAccess))
        for (path, handler) in guarded { readers.get(RouterPath(path), use: handler) }
        return router
    }
}
