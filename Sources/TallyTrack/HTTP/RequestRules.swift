import NIOHTTP1

/// What a request's head must keep to, beyond the form that the parser sees to, so that no two programs on the way take
/// it for two different things.
///
/// - Source: RFC 9112, sections 3.2 and 6; https://www.rfc-editor.org/rfc/rfc9112
enum RequestRules {
    enum Finding: Equatable {
        case good
        /// What is wrong with it.
        case faulty(String)
        /// The parser takes the bytes that follow for another protocol. It is answered as if it had not asked for that,
        /// and the connection closes.
        case last
    }

    /// Looks at a head.
    /// - Parameter requestID: becomes the value of X-Request-ID, where there is one.
    static func finding(_ head: HTTPRequestHead, requestID: inout String?) -> Finding {
        var endsHTTP = false
        if case .CONNECT = head.method { endsHTTP = true }
        if let fault = Self.fault(in: head, &endsHTTP, &requestID) { return .faulty(fault) }
        return endsHTTP ? .last : .good
    }

    private static func fault(
        in head: HTTPRequestHead, _ endsHTTP: inout Bool, _ requestID: inout String?
    ) -> String? {
        var hosts = 0
        var lengths = 0
        var encodings = 0
        var types = 0
        // By index: a debug build allocates for each step of a `for`, and allocations are counted in one.
        var index = head.headers.startIndex
        while index != head.headers.endIndex {
            let (name, value) = head.headers[index]
            index = head.headers.index(after: index)
            switch name.utf8.count {
            case 4 where Self.isSame(name, "host"):
                hosts += 1
                if !Self.isHost(value) { return "the Host is none" }
            case 7 where Self.isSame(name, "upgrade"): endsHTTP = true
            case 12 where Self.isSame(name, "content-type"): types += 1
            case 12 where Self.isSame(name, RequestID.headerName): requestID = value
            case 14 where Self.isSame(name, "content-length"): lengths += 1
            case 17 where Self.isSame(name, "transfer-encoding"):
                encodings += 1
                // Another coding would have to be undone first, and a list is where readers differ.
                if !Self.isSame(value, "chunked") { return "the Transfer-Encoding is not chunked" }
            default: break
            }
        }
        let isHTTP10 = head.version.minor == 0
        if hosts > 1 { return "there is more than one Host" }
        if hosts == 0, !isHTTP10 { return "there is no Host, which HTTP/1.1 asks for" }
        if lengths > 1 { return "there is more than one Content-Length" }
        if encodings > 1 { return "there is more than one Transfer-Encoding" }
        if encodings > 0, lengths > 0 { return "there are both Content-Length and Transfer-Encoding" }
        if encodings > 0, isHTTP10 { return "HTTP/1.0 knows no Transfer-Encoding" }
        if types > 1 { return "there is more than one Content-Type" }
        return Self.faultInTarget(head.uri)
    }

    /// A fragment is the caller's own business (RFC 9110, section 4.2.5); where one is sent, some drop it and some do
    /// not. And U+FFFD is what stands for bytes that were no UTF-8: what was meant is gone.
    private static func faultInTarget(_ target: String) -> String? {
        var target = target
        return target.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            if bytes.holds(UInt8(ascii: "#")) { return "the request target has a fragment" }
            guard bytes.holds(0xEF) else { return nil }
            for index in bytes.indices.dropLast(2)
            where bytes[index] == 0xEF && bytes[index + 1] == 0xBF && bytes[index + 2] == 0xBD {
                return "the request target has bytes that are no UTF-8"
            }
            return nil
        }
    }

    /// Whether a value is made of what a host and a port may hold (RFC 9110, section 7.2). It may be empty.
    private static func isHost(_ value: String) -> Bool {
        var value = value
        return value.withUTF8 { bytes in bytes.allSatisfy { Self.mayStandInHost($0) } }
    }

    @inline(__always)
    private static func mayStandInHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"),
            UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "!"),
            UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: "="), UInt8(ascii: "%"):
            true
        default: false
        }
    }

    private static func isSame(_ text: String, _ literal: StaticString) -> Bool {
        var text = text
        return text.withUTF8 { $0.equalsIgnoringCase(literal) }
    }
}
