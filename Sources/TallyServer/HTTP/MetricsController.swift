import HTTPTypes
import Hummingbird
import NIOCore
import TallyMetrics

/// `GET /metrics`: everything that is measured, for Prometheus.
struct MetricsController {
    let registry: MetricRegistry
    let storage: StorageMeter

    func metrics(_ request: Request, _ context: ReadContext) async throws -> Response {
        await self.storage.look()
        return Response(
            status: .ok, headers: [.contentType: Exposition.contentType, .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: self.registry.exposition())))
    }
}
