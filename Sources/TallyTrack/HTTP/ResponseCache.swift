import NIOCore
import TallyCore

/// Writes responses. The one that nearly every request gets is kept as bytes and made anew when the date changes.
final class ResponseCache {
    static let methods = "GET, HEAD, POST, OPTIONS"

    private(set) var counted = ByteBuffer()
    private(set) var overloaded = ByteBuffer()
    private var date = ""
    private var dateSecond: Int64 = 0

    init() { self.refreshDate() }

    /// To be called several times a second.
    func refreshDate() {
        let second = Timestamp.now()
        guard second != self.dateSecond else { return }
        self.dateSecond = second
        self.date = Timestamp.httpDate(second)
        self.counted = self.bytes(.counted, keepAlive: true, isHTTP10: false)
        self.overloaded = self.bytes(.overloaded, keepAlive: true, isHTTP10: false)
    }

    /// The whole response. `keepAlive: false` says `Connection: close`.
    func bytes(
        _ response: TrackResponse, keepAlive: Bool, isHTTP10: Bool, requestID: String? = nil
    ) -> ByteBuffer {
        if case .overloaded = response {
            return self.bytes(
                .problem(.overloaded), keepAlive: keepAlive, isHTTP10: isHTTP10, requestID: requestID)
        }
        let status: String
        var headers = ""
        var body: [UInt8] = []
        switch response {
        case .counted:
            status = "200 OK"
            headers = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
            body = Array(#"{"status":"counted"}"#.utf8)
        case .countedAll(let accepted):
            status = "200 OK"
            headers = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
            body = Array(#"{"status":"counted","accepted":\#(accepted)}"#.utf8)
        case .duplicate:
            status = "200 OK"
            headers = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
            body = Array(#"{"status":"duplicate"}"#.utf8)
        case .countedSome(let accepted, let duplicates):
            status = "200 OK"
            headers = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
            let word = accepted > 0 ? "counted" : "duplicate"
            body = Array(#"{"status":"\#(word)","accepted":\#(accepted),"duplicates":\#(duplicates)}"#.utf8)
        case .problem(let problem), .problemToHead(let problem):
            status = "\(problem.status) \(problem.title)"
            headers = "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n"
            if let seconds = problem.retryAfterSeconds { headers += "Retry-After: \(seconds)\r\n" }
            if let allow = problem.allow { headers += "Allow: \(allow)\r\n" }
            body = problem.json
        case .overloaded: preconditionFailure("written as a problem")
        case .head:
            status = "200 OK"
            headers = "Content-Type: application/json\r\nCache-Control: no-store\r\n"
        case .options:
            status = "204 No Content"
            headers = "Allow: \(Self.methods)\r\nCache-Control: no-store\r\n"
        }
        // A 204 has no Content-Length (RFC 9110, section 8.6); to HEAD it may be left out.
        switch response {
        case .head, .options: break
        default: headers += "Content-Length: \(body.count)\r\n"
        }
        if let requestID { headers += "X-Request-ID: \(requestID)\r\n" }
        if !keepAlive {
            headers += "Connection: close\r\n"
        } else if isHTTP10 {
            headers += "Connection: keep-alive\r\n"
        }
        var buffer = ByteBufferAllocator().buffer(capacity: 160 + headers.utf8.count + body.count)
        buffer.writeString("HTTP/1.1 \(status)\r\nDate: \(self.date)\r\n\(headers)\r\n")
        if case .problemToHead = response { return buffer }
        buffer.writeBytes(body)
        return buffer
    }
}
