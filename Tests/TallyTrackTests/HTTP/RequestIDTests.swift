import Testing

@testable import TallyTrack

@Suite struct RequestIDTests {
    @Test(
        "an ID that needs no quoting is kept",
        arguments: [
            "a", "7b1f0c1e-5d3a-4f6e-9d0a-0123456789ab", "a/b:c.d_e~f+g=h@i", String(repeating: "x", count: 128),
        ])
    func kept(_ id: String) { #expect(RequestID.sane(id) == id) }

    @Test(
        "any other is not",
        arguments: [
            "", " ", "a b", "a\"b", "a\\b", "a;b", "a,b", "é", "a\u{7F}", "<a>", String(repeating: "x", count: 129),
        ])
    func notKept(_ id: String) { #expect(RequestID.sane(id) == nil) }

    @Test("those made here are sane and all different")
    func made() {
        let ids = (0..<1_000).map { _ in RequestID.made() }
        #expect(Set(ids).count == ids.count)
        #expect(ids.allSatisfy { $0.count == 32 && RequestID.sane($0) == $0 })
    }
}
