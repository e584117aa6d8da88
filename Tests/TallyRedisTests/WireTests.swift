import NIOCore
import TallyCore
import Testing

@testable import TallyRedis

@Suite struct WireTests {
    @Test(
        "a command is an array of bulk strings, numbers without detours",
        arguments: [0, 7, 10, 99, 100, Int64.max, -1, -10, Int64.min])
    func numbers(_ number: Int64) {
        var buffer = ByteBuffer()
        buffer.writeRESPBulk(number)
        let text = String(number)
        #expect(String(buffer: buffer) == "$\(text.utf8.count)\r\n\(text)\r\n")
    }

    @Test("replies come whole, however the bytes are cut")
    func pieces() throws {
        let bytes = Array("*3\r\n$3\r\na\r\n\r\n:42\r\n*1\r\n$-1\r\n-ERR no\r\n+OK\r\n".utf8)
        for size in 1...bytes.count {
            var reader = RESPReader()
            var replies: [RESPValue] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                try reader.feed(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
                while let reply = try reader.next() { replies.append(reply) }
            }
            #expect(
                replies == [
                    .array([.string(Array("a\r\n".utf8)), .integer(42), .array([.null])]), .error("ERR no"),
                    .string(Array("OK".utf8)),
                ])
        }
    }

    @Test(
        "what is no RESP is an error, not a crash",
        arguments: ["HTTP/1.1 400 Bad Request\r\n", "*-5\r\n", "$99999999999999999999\r\n"])
    func nonsense(_ text: String) throws {
        var reader = RESPReader()
        #expect(throws: RESPReader.ProtocolError.self) {
            try reader.feed(ByteBuffer(string: text))
            _ = try reader.next()
        }
    }

    @Test(
        "verdicts are read",
        arguments: [
            ("", []), ("3t17", [(3, .tooManyTests, 17)]),
            ("0c0,12v400", [(0, .tooManyClients, 0), (12, .tooManyVariations, 400)]),
        ] as [(String, [(Int, Refusal, Int)])])
    func verdicts(_ text: String, _ expected: [(Int, Refusal, Int)]) {
        let verdicts = Verdicts(redis: Array(text.utf8))
        #expect(verdicts == Verdicts(exceptions: expected.map { .init(unit: $0.0, refusal: $0.1, entry: $0.2) }))
    }

    @Test("duplicates are read from the verdicts")
    func duplicates() {
        #expect(
            Verdicts(redis: Array("0d0,1i3,2d4,2d6".utf8))
                == Verdicts(exceptions: [.init(unit: 1, refusal: .tooManyIDs, entry: 3)], duplicates: [0, 4, 6]))
    }

    @Test("other verdicts are refused", arguments: ["x", "1q2", "t", "1t", ",", "1t2,"])
    func wrongVerdicts(_ text: String) { #expect(Verdicts(redis: Array(text.utf8)) == nil) }

    @Test("entries of the pending list are written and read")
    func pending() {
        let batch = PendingEntry.batch(BatchID(epoch: Epoch(10), number: 3))
        #expect(batch.redisEntry == "batch:000000000000000a:3")
        #expect(PendingEntry(redisEntry: batch.redisEntry) == batch)
        #expect(PendingEntry(redisEntry: "closed:000000000000000a") == .epochClosed(Epoch(10)))
        #expect(PendingEntry(redisEntry: "batch:1:3") == nil)
        #expect(PendingEntry(redisEntry: "other") == nil)
    }
}
