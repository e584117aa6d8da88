import TallyTestSupport
import Testing

@testable import TallyConfig

/// Whatever stands in the file: the reader ends, and what it accepts it has understood.
@Suite("Any .env file")
struct DotEnvFuzzTests {
    static let corpus = [
        "# tally\nHOST=0.0.0.0\nPORT=8080 # the port\nexport REDIS_URL='redis://:p@ss@localhost'\n",
        "A=\"one\\ntwo \\\"x\\\" \\$y\"\r\nB='it is # no comment'\r\nC=\r\n\r\n",
        "\u{FEFF}KEY=café 😀\n_X1=a=b=c\n",
    ]
    static let tokens: [[UInt8]] =
        [
            "=", "#", " #", "'", "\"", "\\", "\\n", "\\x", "$", "${A}", "export ", "\n", "\r", "\r\n", "\t", " ",
            "\u{FEFF}", "é",
        ]
        .map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0x85]]

    /// Says which rule was broken.
    static func check(_ bytes: [UInt8]) -> String? {
        let (entries, faults) = DotEnv.scan(bytes)
        let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
        if entries.count + faults.count > lines * 2 { return "more than there are lines" }
        if Set(entries.map(\.key)).count != entries.count { return "a key twice" }
        for entry in entries {
            let key = Array(entry.key.utf8)
            let isName = key.allSatisfy { byte in
                byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                    || (0x61...0x7A).contains(byte)
            }
            if !isName || key.isEmpty || (0x30...0x39).contains(key[0]) { return "a key that is none" }
            if !(1...lines).contains(entry.line) { return "a line that is not there" }
        }
        for fault in faults where !(1...lines).contains(fault.line) || fault.what.isEmpty { return "a bad fault" }
        // What is accepted, written in the strictest way, is read as the same.
        let again = entries.filter { !$0.value.contains("'") && !$0.value.utf8.contains(UInt8(ascii: "\n")) }
            .filter { !$0.value.utf8.contains(UInt8(ascii: "\r")) }
        let text = again.map { "\($0.key)='\($0.value)'" }.joined(separator: "\n")
        let read = DotEnv.scan(text.utf8)
        if !read.faults.isEmpty || read.entries.map(\.value) != again.map(\.value) { return "not read again: \(text)" }
        return nil
    }

    @Test("is read in one way or refused line by line")
    func mutations() async {
        var random = SplitMix64(seed: Torture.seed)
        var accepted = 0
        let runs = Torture.rounds(full: 1_000_000, short: 20_000)
        for run in 0..<runs {
            var bytes = Array(Self.corpus[Int.random(in: 0..<Self.corpus.count, using: &random)].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                ByteMutation.mutate(&bytes, tokens: Self.tokens, &random)
            }
            await Torture.giveWay(run: run)
            if DotEnv.scan(bytes).faults.isEmpty { accepted += 1 }
            if let fault = Self.check(bytes) {
                Issue.record("run \(run) of seed \(Torture.seed): \(fault): \(String(decoding: bytes, as: UTF8.self))")
            }
        }
        #expect(accepted > runs / 20, "seed \(Torture.seed)")
        #expect(accepted < runs, "seed \(Torture.seed)")
    }
}
