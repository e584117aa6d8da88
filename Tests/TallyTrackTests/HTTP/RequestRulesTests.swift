import NIOHTTP1
import Testing

@testable import TallyTrack

@Suite("The rules for a request's head")
struct RequestRulesTests {
    private func finding(
        _ headers: [(String, String)], minor: Int = 1, method: HTTPMethod = .GET, uri: String = "/track?a=b"
    ) -> RequestRules.Finding {
        var requestID: String?
        return RequestRules.finding(
            HTTPRequestHead(
                version: .init(major: 1, minor: minor), method: method, uri: uri, headers: HTTPHeaders(headers)),
            requestID: &requestID)
    }

    private func isFaulty(_ finding: RequestRules.Finding) -> Bool {
        if case .faulty = finding { true } else { false }
    }

    @Test(
        "one Host, whatever its case, and none only in HTTP/1.0",
        arguments: ["example.com", "HOST:8080", "[::1]:80", "127.0.0.1", "", "a_b-c.d~"])
    func hosts(host: String) {
        #expect(self.finding([("Host", host)]) == .good)
        #expect(self.finding([("hOsT", host)]) == .good)
        #expect(self.isFaulty(self.finding([("Host", host), ("host", host)])))
    }

    @Test("a Host that is none, and no Host", arguments: ["a b", "a,b", "a/b", "a@b", "é", "a\tb", "a?b", "a\"b"])
    func badHosts(host: String) {
        #expect(self.isFaulty(self.finding([("Host", host)])))
        #expect(self.isFaulty(self.finding([])))
        #expect(self.finding([], minor: 0) == .good)
    }

    @Test(
        "two ways to tell where a body ends",
        arguments: [
            [("Content-Length", "1"), ("content-length", "1")],
            [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
            [("Transfer-Encoding", "gzip, chunked")],
            [("Transfer-Encoding", "identity")], [("Transfer-Encoding", "chunked, chunked")],
            [("Transfer-Encoding", "chunked;a=b")], [("Transfer-Encoding", "")],
            [("Content-Type", "application/json"), ("content-type", "text/plain")],
        ])
    func framing(headers: [(String, String)]) {
        #expect(self.isFaulty(self.finding([("Host", "x")] + headers, method: .POST)))
    }

    @Test("chunked is one way, in HTTP/1.1")
    func chunked() {
        #expect(self.finding([("Host", "x"), ("Transfer-Encoding", "Chunked")]) == .good)
        #expect(self.isFaulty(self.finding([("Host", "x"), ("Transfer-Encoding", "chunked")], minor: 0)))
    }

    @Test("what asks for another protocol is the last request of its connection")
    func upgrades() {
        #expect(self.finding([("Host", "x"), ("Upgrade", "h2c"), ("Connection", "Upgrade")]) == .last)
        #expect(self.finding([("Host", "x")], method: .CONNECT) == .last)
    }

    @Test("a fragment, and bytes that were no UTF-8")
    func targets() {
        #expect(self.isFaulty(self.finding([("Host", "x")], uri: "/track?a=b#c")))
        #expect(self.isFaulty(self.finding([("Host", "x")], uri: "/track?a=\u{FFFD}")))
        #expect(self.finding([("Host", "x")], uri: "/track?a=é%EF%BF%BD%23") == .good)
    }
}
