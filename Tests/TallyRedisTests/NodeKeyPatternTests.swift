import TallyCore
import Testing

@testable import TallyRedis

@Suite("Keys of the Node service")
struct NodeKeyPatternTests {
    private func names(_ pattern: String, _ key: String) throws -> [[String]] {
        try #require(NodeKeyPattern(pattern)).names(in: Array(key.utf8)) { NameRules.faultInClient($0) == nil }
            .map { [$0.client, $0.test, $0.variation] }
    }

    @Test(
        "a key is taken apart as the pattern says",
        arguments: [
            ("count:{client}:{test}:{variation}", "count:acme:cta:B", ["acme", "cta", "B"]),
            ("{variation}/{client}/{test}", "B/acme/cta", ["acme", "cta", "B"]),
            ("ab:{client}|{test}|{variation}:n", "ab:acme|cta:1|é:n", ["acme", "cta:1", "é"]),
        ])
    func fits(_ pattern: String, _ key: String, _ expected: [String]) throws {
        #expect(try self.names(pattern, key) == [expected])
    }

    @Test("where a separator stands in a name, all ways are found, but for those with an impossible client")
    func ambiguous() throws {
        #expect(
            try Set(self.names("count:{client}:{test}:{variation}", "count:acme:a:b:c"))
                == [["acme", "a", "b:c"], ["acme", "a:b", "c"]])
        #expect(try self.names("count:{client}:{test}:{variation}", "count:ac me:a:b") == [])
        #expect(try self.names("count:{client}:{test}:{variation}", "count:acme:a:") == [])
        #expect(try self.names("count:{client}:{test}:{variation}", "session:acme:a:b") == [])
    }

    @Test(
        "a pattern has each name once, and something between them",
        arguments: [
            "count:{client}:{test}", "{client}{test}:{variation}", "{client}:{client}:{test}:{variation}", "", "x",
        ])
    func refused(_ pattern: String) { #expect(NodeKeyPattern(pattern) == nil) }

    @Test("the glob for Redis escapes what is special there")
    func glob() { #expect(NodeKeyPattern("a*[{client}]:{test}?{variation}")?.glob == #"a\*\[*\]:*\?*"#) }
}
