import HTTPTypes
import Hummingbird
import NIOCore
import TallyAccess
import TallyCore
import TallyTrack

/// `GET /livez`: the process answers. `GET /readyz`: buffer and store are reached.
///
/// For anyone, since balancers and orchestrators come from addresses of their own; the reasons only for those who may
/// read.
struct HealthController {
    private let kinds: (buffer: String, store: String)
    private let access: AccessRule
    /// Anyone may ask, as often as they like: a server is not asked again before it has answered.
    private let faults: SharedQuestion<(buffer: String?, store: String?)>

    init(buffer: any CounterBuffer, store: any CounterStore, access: AccessRule) {
        self.kinds = (buffer.kind, store.kind)
        self.access = access
        self.faults = SharedQuestion {
            async let bufferFault = Self.fault { try await buffer.ping() }
            async let storeFault = Self.fault { try await store.ping() }
            return await (bufferFault, storeFault)
        }
    }

    func livez(_ request: Request, _ context: ReadContext) async throws -> Response {
        Self.answer(.ok, self.mayRead(request, context) ? [("status", "alive")] : [])
    }

    func readyz(_ request: Request, _ context: ReadContext) async throws -> Response {
        let faults = await self.faults.answer()
        let isReady = faults.buffer == nil && faults.store == nil
        guard self.mayRead(request, context) else { return Self.answer(isReady ? .ok : .serviceUnavailable, []) }
        return Self.answer(
            isReady ? .ok : .serviceUnavailable,
            [
                ("status", isReady ? "ready" : "not ready"),
                ("buffer", "\(self.kinds.buffer): \(faults.buffer ?? "reached")"),
                ("store", "\(self.kinds.store): \(faults.store ?? "reached")"),
            ])
    }

    private func mayRead(_ request: Request, _ context: ReadContext) -> Bool {
        self.access.decide(request, context).isAllowed
    }

    private static func fault(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static func answer(_ status: HTTPResponse.Status, _ fields: [(String, String)]) -> Response {
        guard !fields.isEmpty else { return Response(status: status, headers: [.cacheControl: "no-store"]) }
        var json = JSONText()
        for (index, (key, value)) in fields.enumerated() {
            json.raw(index == 0 ? "{" : ",")
            json.string(key)
            json.raw(":")
            json.string(value)
        }
        json.raw("}")
        return Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }
}
