import HTTPTypes
import Hummingbird
import NIOCore
import TallyCore
import TallyTrack

/// `GET /get-metric` and `GET /clients`: what the store holds.
struct ReadController {
    /// How long a reader waits for a place.
    private static let placeWithin: Duration = .seconds(10)
    /// Bytes of an answer that is small enough to be left to its connection at once.
    private static let smallBody = 1 << 20
    /// Bytes of a larger one that are given to its connection at a time.
    private static let piece = 256 << 10

    let store: any CounterStore
    private let places = ReadPlaces(4)

    init(store: any CounterStore) { self.store = store }

    func getMetric(_ request: Request, _ context: ReadContext) async throws -> Response {
        let query = try MetricQuery(request.uri.query ?? "")
        // One test is some thousands of counters at most.
        let place = query.test == nil ? try await self.place() : nil
        guard let metrics = try await self.store.metrics(client: query.client, test: query.test) else {
            throw Problem(
                status: 404,
                detail: "nothing was ever flushed for client \(query.client); counts show after the next flush")
        }
        let wantsCSV = Acceptance(request.headers[values: .accept]).prefersCSV
        return Self.cacheable(
            request, context, type: wantsCSV ? "text/csv; charset=utf-8" : "application/json",
            body: wantsCSV ? MetricsCSV.render(metrics) : MetricsJSON.render(metrics), holding: place)
    }

    private func place() async throws -> ReadPlaces.Place {
        do {
            return try await self.places.take(within: Self.placeWithin)
        } catch is TimeIsUp {
            throw Problem(
                status: 503, reason: .overloaded,
                detail: "too many are reading at once; try again soon, or ask for one test with testID",
                retryAfterSeconds: 10)
        }
    }

    func clients(_ request: Request, _ context: ReadContext) async throws -> Response {
        // Little to hold, but a query for each client: the flush must not stand in line behind any number of them.
        let place = try await self.place()
        let clients = try await self.store.clients()
        return Self.cacheable(
            request, context, type: "application/json", body: MetricsJSON.render(clients), holding: place)
    }

    /// With an ETag; 304 where the caller has the same already (RFC 9110, section 13.1.2).
    /// - Parameter place: is held until a large answer is sent.
    static func cacheable(
        _ request: Request, _ context: ReadContext, type: String, body: [UInt8], holding place: ReadPlaces.Place? = nil
    ) -> Response {
        let tag = EntityTag.of(body)
        let headers: HTTPFields = [
            .contentType: type, .eTag: tag, .cacheControl: "no-cache", .vary: "Accept",
        ]
        if EntityTag.matches(tag, request.headers[values: .ifNoneMatch]) {
            return Response(status: .notModified, headers: headers)
        }
        guard body.count > Self.smallBody else {
            return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        }
        let pieces = ResponseBody(contentLength: body.count) { [eventLoop = context.eventLoop] writer in
            for start in stride(from: 0, to: body.count, by: Self.piece) {
                try await writer.write(ByteBuffer(bytes: body[start..<min(start + Self.piece, body.count)]))
                // Until the event loop has had its turn the connection takes whatever it is given: a loop that is busy would
                // be given all of it, and the place be free with nothing sent.
                try await eventLoop.submit {}.get()
            }
            try await writer.finish(nil)
            withExtendedLifetime(place) {}
        }
        return Response(status: .ok, headers: headers, body: pieces)
    }
}

/// A tag that names the bytes of a body.
enum EntityTag {
    /// FNV-1a, twice, from two starts: 128 bits. Nobody gains by a collision, so it need not be cryptographic.
    /// Source: http://www.isthe.com/chongo/tech/comp/fnv/
    static func of(_ bytes: [UInt8]) -> String {
        var first: UInt64 = 0xCBF2_9CE4_8422_2325
        var second: UInt64 = 0x9E37_79B9_7F4A_7C15
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01B3
            second = (second ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return "\"\(String(first, radix: 16))-\(String(second, radix: 16))\""
    }

    static func matches(_ tag: String, _ conditions: [String]) -> Bool {
        conditions.joined(separator: ",").split(separator: ",").contains { candidate in
            let candidate = candidate.trimmingSpaces()
            return candidate == "*" || candidate == tag || candidate == "W/" + tag
        }
    }
}

extension Substring {
    func trimmingSpaces() -> Substring {
        var part = self
        while part.first == " " || part.first == "\t" { part.removeFirst() }
        while part.last == " " || part.last == "\t" { part.removeLast() }
        return part
    }
}
