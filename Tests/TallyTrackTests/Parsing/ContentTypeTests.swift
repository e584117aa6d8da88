import Testing

@testable import TallyTrack

@Suite("Content-Type")
struct ContentTypeTests {
    @Test(
        "is read in any case and with parameters",
        arguments: [
            ("application/x-www-form-urlencoded", .form), ("application/json", .json), ("text/plain", .json),
            ("text/plain;charset=UTF-8", .json), ("application/x-ndjson", .ndjson), ("application/ndjson", .ndjson),
            ("application/jsonl", .ndjson), ("APPLICATION/JSON", .json), (" application/json ;", .json),
            ("application/json; charset=utf-8", .json), ("application/json;\tCharSet=\"UTF-8\" ; x=y", .json),
            ("application/json; profile=\"a;charset=latin1\"", .json),
            ("application/json; profile=\"a\\\";charset=latin1\"", .json), ("application/json; x", .json),
            ("application/x-www-form-urlencoded; charset=UTF-8", .form),
        ] as [(String, TrackContentType)])
    func known(value: String, type: TrackContentType) { #expect(TrackContentType(headerValue: value) == type) }

    @Test(
        "of another type or charset is unknown",
        arguments: [
            "", ";", "json", "application/jsonx", "application/problem+json", "text/html",
            "multipart/form-data; boundary=x",
            "application/json, text/plain", "application/json; charset=latin1", "application/json; charset=",
            "application/json; charset", "application/json; charset=utf-16", "text/plain; x=\"a\"; charset=iso-8859-1",
            "application/json; charset=utf-8; charset=latin1", "applicat\u{131}on/json", "application\u{0F}json",
        ])
    func unknown(value: String) { #expect(TrackContentType(headerValue: value) == nil) }
}
