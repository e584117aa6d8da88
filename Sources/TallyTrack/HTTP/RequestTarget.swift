/// What a request line points at, as far as /track must know.
///
/// - Source: RFC 9112, section 3.2, https://www.rfc-editor.org/rfc/rfc9112#section-3.2
enum RequestTarget {
    private static let path: StaticString = "/track"

    /// Where the query of a request to /track begins in the target's bytes (its end, where there is none); nil for any
    /// other path.
    @inline(__always)
    static func queryStart(_ target: UnsafeRawBufferPointer) -> Int? {
        let length = self.path.utf8CodeUnitCount
        guard target.count >= length else { return nil }
        for index in 0..<length where target[index] != self.path.utf8Start[index] { return nil }
        if target.count == length { return length }
        return target[length] == UInt8(ascii: "?") ? length + 1 : nil
    }

    /// Turns `http://host/path?query`, which a server must accept, into `/path?query`.
    static func originForm(_ target: String) -> String {
        guard !target.hasPrefix("/"), let scheme = target.range(ofASCII: "://") else { return target }
        let rest = target[scheme...]
        guard let path = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) else { return "/" }
        return rest[path] == "/" ? String(rest[path...]) : "/" + rest[path...]
    }
}

extension String {
    /// The index after the first occurrence of `text`, or nil.
    fileprivate func range(ofASCII text: String) -> String.Index? {
        var start = self.startIndex
        while start < self.endIndex {
            if self[start...].hasPrefix(text) { return self.index(start, offsetBy: text.count) }
            start = self.index(after: start)
        }
        return nil
    }
}
