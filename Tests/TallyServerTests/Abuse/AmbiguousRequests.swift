import Testing

/// Requests that two programs could read differently, byte for byte.
///
/// Each holds an outer request to /track, and where it says so a second one, which somebody wants to be taken for a
/// request of its own: the inner.
struct AmbiguousRequest: Sendable, CustomTestStringConvertible {
    let name: String
    /// What tally answers, in order.
    let statuses: [Int]
    /// How often each is counted.
    let outer: Int
    let inner: Int
    private let text: @Sendable (_ outer: String, _ inner: String) -> [UInt8]

    var testDescription: String { self.name }

    /// The bytes, with names of their own for what is counted.
    func bytes(id: Int) -> [UInt8] {
        let path = "/track?clientName=acme&testID=case-\(id)&variation="
        return self.text(path + "outer", path + "inner")
    }

    private init(
        _ name: String, _ statuses: [Int], outer: Int = 0, inner: Int = 0,
        _ text: @escaping @Sendable (_ outer: String, _ inner: String) -> String
    ) {
        self.init(name, statuses, outer: outer, inner: inner, bytes: { Array(text($0, $1).utf8) })
    }

    private init(
        _ name: String, _ statuses: [Int], outer: Int = 0, inner: Int = 0,
        bytes: @escaping @Sendable (_ outer: String, _ inner: String) -> [UInt8]
    ) {
        self.name = name
        self.statuses = statuses
        self.outer = outer
        self.inner = inner
        self.text = bytes
    }

    /// A POST with these header lines, and then a body that looks like a request.
    private static func post(_ name: String, _ lines: String, _ statuses: [Int] = [400]) -> AmbiguousRequest {
        AmbiguousRequest(name, statuses) { outer, inner in
            let hidden = Self.get(inner)
            return "POST \(outer) HTTP/1.1\r\nHost: x\r\n"
                + lines.replacing("LENGTH", with: String(hidden.utf8.count)) + "\r\n\r\n" + hidden
        }
    }

    /// A chunked POST with this body, and then another request.
    private static func chunks(_ name: String, _ body: String, counts: Bool = false) -> AmbiguousRequest {
        AmbiguousRequest(
            "chunks: \(name)", counts ? [200, 200] : [400], outer: counts ? 1 : 0, inner: counts ? 1 : 0
        ) { outer, inner in
            "POST \(outer) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body + Self.get(inner)
        }
    }

    /// A GET with these further header lines, and then another request.
    private static func header(_ name: String, _ lines: String, _ status: Int = 400) -> AmbiguousRequest {
        AmbiguousRequest(name, [status]) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n\r\n" + Self.get(inner)
        }
    }

    private static func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n" }

    static let all: [AmbiguousRequest] = lengths + encodings + chunked + fields + targets + connections

    private static let lengths = [
        post("two equal Content-Lengths", "Content-Length: LENGTH\r\nContent-Length: LENGTH"),
        post("two Content-Lengths, 0 first", "Content-Length: 0\r\nContent-Length: LENGTH"),
        post("two Content-Lengths, 0 last", "Content-Length: LENGTH\r\nContent-Length: 0"),
        post("a list as Content-Length", "Content-Length: LENGTH, LENGTH"),
        post("Content-Length with a plus", "Content-Length: +LENGTH"),
        post("Content-Length below zero", "Content-Length: -1"),
        post("Content-Length in hexadecimal", "Content-Length: 0x10"),
        post("Content-Length with a blank in it", "Content-Length: 1 0"),
        post("Content-Length with a letter", "Content-Length: 0a"),
        post("an empty Content-Length", "Content-Length: "),
        post("Content-Length past 64 bits", "Content-Length: 18446744073709551617"),
        AmbiguousRequest("GET with a body that looks like a request", [200], outer: 1) { outer, inner in
            let hidden = get(inner)
            return "GET \(outer) HTTP/1.1\r\nHost: x\r\nContent-Length: \(hidden.utf8.count)\r\n\r\n" + hidden
        },
        AmbiguousRequest("a body that its type does not explain", [415]) { outer, inner in
            let hidden = get(inner)
            return "POST \(outer) HTTP/1.1\r\nHost: x\r\nContent-Length: \(hidden.utf8.count)\r\n\r\n" + hidden
        },
    ]

    private static let encodings = [
        AmbiguousRequest("Content-Length, then Transfer-Encoding", [400]) { outer, inner in
            "POST \(outer) HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + get(inner)
        },
        AmbiguousRequest("Transfer-Encoding, then Content-Length", [400]) { outer, inner in
            "POST \(outer) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
                + get(inner)
        },
        post("Transfer-Encoding: xchunked", "Transfer-Encoding: xchunked\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding: identity", "Transfer-Encoding: identity\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked, identity"),
        post("Transfer-Encoding: gzip, chunked", "Transfer-Encoding: gzip, chunked"),
        post("Transfer-Encoding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        post("Transfer-Encoding: chunked, and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        post(
            "Transfer-Encoding with a blank before the colon", "Transfer-Encoding : chunked\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding with a vertical tab", "Transfer-Encoding: \u{0B}chunked\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding folded", "Transfer-Encoding:\r\n chunked\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding after a bare LF", "X: y\nTransfer-Encoding: chunked\r\nContent-Length: LENGTH"),
        post("Transfer-Encoding in quotes", "Transfer-Encoding: \"chunked\"\r\nContent-Length: LENGTH"),
        AmbiguousRequest("Transfer-Encoding in HTTP/1.0", [400]) { outer, inner in
            "POST \(outer) HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + get(inner)
        },
        AmbiguousRequest("Transfer-Encoding in capitals", [200, 200], outer: 1, inner: 1) { outer, inner in
            "POST \(outer) HTTP/1.1\r\nHost: x\r\ntransfer-ENCODING:\tCHUNKED\r\n\r\n0\r\n\r\n" + get(inner)
        },
    ]

    private static let chunked = [
        chunks("none", "0\r\n\r\n", counts: true),
        chunks("an extension", "0;name=value\r\n\r\n", counts: true),
        chunks("leading zeros", "0000\r\n\r\n", counts: true),
        chunks("a trailer", "0\r\nX-Y: z\r\n\r\n", counts: true),
        chunks("a trailer that looks like a length", "0\r\nContent-Length: 100\r\n\r\n"),
        chunks("a size that is no number", "g\r\n\r\n"),
        chunks("a size with 0x", "0x0\r\n\r\n"),
        chunks("a size below zero", "-1\r\n\r\n"),
        chunks("a size with a plus", "+0\r\n\r\n"),
        chunks("a blank before the size", " 0\r\n\r\n"),
        chunks("no size", "\r\n\r\n"),
        chunks("a size past 64 bits", "10000000000000000\r\n\r\n"),
        chunks("bare LF after the size", "0\n\n"),
        chunks("bare CR after the size", "0\r\r\n"),
        chunks("no line end after the data", "1\r\na0\r\n\r\n"),
        chunks("bare LF after the data", "1\r\na\n0\r\n\r\n"),
        chunks("bare LF in an extension", "0;a\nb\r\n\r\n"),
        chunks("more data than the size says", "1\r\nab\r\n0\r\n\r\n"),
    ]

    private static let fields = [
        header("a blank before a colon", "X-Y : z"),
        header("a tab before a colon", "X-Y\t: z"),
        header("a folded field", "X-Y: z\r\n folded"),
        header("a folded first field", " X-Y: z"),
        header("a field without a colon", "X-Y"),
        header("a field without a name", ": z"),
        header("a NUL in a value", "X-Y: \0"),
        header("a control character in a value", "X-Y: \u{01}"),
        header("DEL in a value", "X-Y: \u{7F}"),
        header("a bare CR in a value", "X-Y: a\rb: c"),
        header("a bare LF between fields", "X-Y: a\nZ: b"),
        header("a control character in a name", "X\u{01}Y: a"),
        header("brackets in a name", "X(Y): a"),
        header("a second Host", "Host: y"),
        header("two Content-Types", "Content-Type: application/json\r\nContent-Type: text/plain"),
        header("a field of 17 KiB", "X-Y: " + String(repeating: "a", count: 17 << 10), 431),
        header(
            "fields of 40 KiB",
            (0..<4).map { "X-\($0): " + String(repeating: "a", count: 10 << 10) }.joined(separator: "\r\n"), 431),
        header("120 fields", (0..<120).map { "X-\($0): a" }.joined(separator: "\r\n"), 431),
        AmbiguousRequest("no Host", [400]) { outer, inner in "GET \(outer) HTTP/1.1\r\nX: y\r\n\r\n" + get(inner) },
        AmbiguousRequest("a Host that is two", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x, y\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a Host with a path", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x/track\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("all lines end with a bare LF", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1\nHost: x\n\n" + get(inner)
        },
        AmbiguousRequest("all lines end with a bare CR", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1\rHost: x\r\r" + get(inner)
        },
        AmbiguousRequest("the head ends with a bare LF", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x\r\n\n" + get(inner)
        },
    ]

    private static let targets = [
        AmbiguousRequest("absolute form", [200, 200], outer: 1, inner: 1) { outer, inner in
            "GET http://tally.example\(outer) HTTP/1.1\r\nHost: tally.example\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("absolute form with another host", [200, 200], outer: 1, inner: 1) { outer, inner in
            "GET http://other.example\(outer) HTTP/1.1\r\nHost: tally.example\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a fragment", [400]) { outer, inner in
            "GET \(outer)#x HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a target of 17 KiB", [431]) { outer, inner in
            "GET \(outer)&x=\(String(repeating: "a", count: 17 << 10)) HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest(
            "a target that is no UTF-8", [400],
            bytes: { outer, inner in
                Array("GET \(outer)&x=".utf8) + [0xFF] + Array(" HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
                    + Array(get(inner).utf8)
            }),
        // RFC 9112, section 3, allows to read these so; there is no other way to read them.
        AmbiguousRequest("two blanks before the target", [200, 200], outer: 1, inner: 1) { outer, inner in
            "GET  \(outer) HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("two blanks after the target", [200, 200], outer: 1, inner: 1) { outer, inner in
            "GET \(outer)  HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a tab in the request line", [400]) { outer, inner in
            "GET\t\(outer)\tHTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a blank after the version", [400]) { outer, inner in
            "GET \(outer) HTTP/1.1 \r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("HTTP/0.9", [400]) { outer, inner in "GET \(outer)\r\n\r\n" + get(inner) },
        AmbiguousRequest("HTTP/1.7", [400]) { outer, inner in "GET \(outer) HTTP/1.7\r\nHost: x\r\n\r\n" + get(inner) },
        AmbiguousRequest("HTTP/2.0", [400]) { outer, inner in "GET \(outer) HTTP/2.0\r\nHost: x\r\n\r\n" + get(inner) },
        AmbiguousRequest("the preface of HTTP/2", [400]) { _, inner in
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("a method in small letters", [400]) { outer, inner in
            "get \(outer) HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
    ]

    private static let connections = [
        AmbiguousRequest("two requests in one packet", [200, 200], outer: 1, inner: 1) { outer, inner in
            get(outer) + get(inner)
        },
        AmbiguousRequest("HEAD, then another", [200, 200], inner: 1) { outer, inner in
            "HEAD \(outer) HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("empty lines first", [200, 200], outer: 1, inner: 1) { outer, inner in
            "\r\n\r\n" + get(outer) + "\r\n" + get(inner)
        },
        AmbiguousRequest("bytes after Connection: close", [200], outer: 1) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("bytes after an upgrade to WebSocket", [200], outer: 1) { outer, inner in
            "GET \(outer) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("bytes after an upgrade to HTTP/2", [200], outer: 1) { outer, inner in
            "POST \(outer) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                + "HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("bytes after CONNECT", [404]) { _, inner in
            "CONNECT tally.example:80 HTTP/1.1\r\nHost: x\r\n\r\n" + get(inner)
        },
        AmbiguousRequest("malformed after good", [200, 400], outer: 1) { outer, inner in
            get(outer) + "GET \(inner) HTTP/1.1\r\n\r\n" + get(inner)
        },
    ]
}
