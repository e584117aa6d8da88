import TallyCore
import Testing

@testable import TallyMongo

@Suite("Names and values as bytes")
struct EncodingTests {
    @Test(
        "a field name holds nothing that MongoDB takes for its own",
        arguments: [
            ("A-b_9", "A-b_9"), ("a.b", "a%2Eb"), ("$set", "%24set"), ("%41", "%2541"), (" é", "%20%C3%A9"),
            ("👍", "%F0%9F%91%8D"), ("e\u{301}", "e%CC%81"),
        ] as [(Name, String)])
    func fieldNames(name: Name, field: String) {
        #expect(FieldName.encode(name) == field)
        #expect(FieldName.decode(field) == name)
    }

    @Test(
        "a field name that tally would not have written is refused",
        arguments: ["a b", "é", "%", "%4", "%zz", "%41", "%c3%a9", "%C3", "a.b"])
    func foreignFieldNames(field: String) {
        #expect(FieldName.decode(field) == nil)
    }

    static let sample = BSONWriter.document {
        $0.string("text", "é\u{0}x")
        $0.int64("large", .min)
        $0.int32("small", -5)
        $0.date("when", secondsSince1970: -1)
        $0.bool("yes", true)
        $0.array("list") {
            $0.int64(1)
            $0.document { $0.string("in", "side") }
            $0.array { $0.string("deep") }
            $0.string("after")
        }
    }

    @Test("a document is written as the specification says")
    func written() {
        let document = BSONWriter.document { $0.array("a") { $0.string("b") } }
        // {"a": ["b"]}
        let expected: [UInt8] = [22, 0, 0, 0, 4, 0x61, 0, 14, 0, 0, 0, 2, 0x30, 0, 2, 0, 0, 0, 0x62, 0, 0, 0]
        #expect(Array(document.bytes) == expected)
    }

    @Test("what is written is read back")
    func roundTrip() throws {
        let elements = try Self.sample.elements()
        #expect(elements.map(\.key) == ["text", "large", "small", "when", "yes", "list"])
        guard case .string("é\u{0}x") = elements[0].value, case .date(-1000) = elements[3].value,
            case .bool(true) = elements[4].value, case .array(let list) = elements[5].value
        else {
            Issue.record("\(elements)")
            return
        }
        #expect(elements[1].value.wholeNumber == .min)
        #expect(elements[2].value.wholeNumber == -5)
        #expect(try list.elements().map(\.key) == ["0", "1", "2", "3"])
        #expect(try Self.sample.value("none") == nil)
    }

    @Test("bytes that are cut off or changed never crash the reader")
    func damaged() {
        let bytes = Array(Self.sample.bytes)
        func readAll(_ bytes: [UInt8]) throws {
            var open = [BSONDocument(bytes: bytes[...])]
            while let document = open.popLast() {
                for (_, value) in try document.elements() {
                    if case .document(let inner) = value { open.append(inner) }
                    if case .array(let inner) = value { open.append(inner) }
                }
            }
        }
        for length in 0..<bytes.count { #expect(throws: BSONFault.self) { try readAll(Array(bytes.prefix(length))) } }
        for index in bytes.indices {
            for byte: UInt8 in [0, 1, 5, 0x0D, 0x0F, 0x7F, 0xFF] {
                var changed = bytes
                changed[index] = byte
                _ = try? readAll(changed)
            }
        }
    }
}
