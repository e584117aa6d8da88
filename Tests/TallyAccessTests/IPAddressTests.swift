import TallyAccess
import TallyTestSupport
import Testing

@Suite("An IP address")
struct IPAddressTests {
    @Test(
        "is read from any of its forms, and written in the canonical one",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("127.0.0.1", "127.0.0.1"), ("255.255.255.255", "255.255.255.255"),
            ("10.20.30.40", "10.20.30.40"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("::0", "::"), ("0:0:0:0:0:0:0:0", "::"),
            ("2001:DB8::A", "2001:db8::a"), ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            // RFC 5952, section 4.2: one zero group stays, the longest run goes, the first of two equal ones.
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("0:0:1:0:0:0:0:0", "0:0:1::"), ("1:0:0:0:0:0:0:0", "1::"), ("0:0:0:0:0:0:0:1", "::1"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("::1.2.3.4", "::102:304"),
            // Mapped: the IPv4 address itself.
            ("::ffff:1.2.3.4", "1.2.3.4"), ("::FFFF:102:304", "1.2.3.4"), ("0:0:0:0:0:ffff:7f00:1", "127.0.0.1"),
            ("::ffff:0:0", "0.0.0.0"),
            // Not mapped, though it looks like it.
            ("::ffff:0:102:304", "::ffff:0:102:304"), ("::1:ffff:102:304", "::1:ffff:102:304"),
            ("ffff::102:304", "ffff::102:304"),
        ])
    func forms(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
        #expect(IPAddress(utf8: Array(text.utf8)) == address)
        // A collection whose bytes do not lie in one piece.
        #expect(IPAddress(utf8: Array(text.utf8).reversed().reversed() as ReversedCollection<[UInt8]>) == address)
        #expect(IPAddress("(\(text))".dropFirst().dropLast()) == address)
    }

    @Test(
        "is not read from anything else",
        arguments: [
            "", " ", "localhost", "1", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "1..2.3", "256.1.1.1",
            "1.2.3.256", "1.2.3.1000", "01.2.3.4", "1.2.3.00", "1.2.3.04", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4",
            "+1.2.3.4",
            "1.2.3.-4", "1.2.3.4/32", "1.2.3.4:80", "2130706433", "１.2.3.4", "1.2.3.4\0",
            ":", ":::", "::::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8", "1::2::3", "1:::2", "::1::", "12345::", "::12345", "g::", "::g", "1:2:3:4:5:6:7:",
            ":1:2:3:4:5:6:7",
            "::1%eth0", "fe80::1%1", "[::1]", "::1/128", "::1 ", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256", "1.2.3.4::",
            "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "::1.2.3.4:5", "::ffff:01.2.3.4", "::-1", "::ｆ",
            "1:2:3:4:5:6:7:8:",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("is taken from 4 or 16 raw bytes, the most significant first, and from no other number")
    func rawBytes() {
        #expect(IPAddress(rawBytes: [10, 0, 0, 7]) == IPAddress("10.0.0.7"))
        #expect(
            IPAddress(rawBytes: [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]) == IPAddress("2001:db8::9"))
        #expect(IPAddress(rawBytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 7]) == IPAddress("10.0.0.7"))
        #expect(IPAddress(ipv4: 0x7F00_0001) == IPAddress("127.0.0.1"))
        for count in [0, 1, 3, 5, 15, 17] {
            #expect(IPAddress(rawBytes: [UInt8](repeating: 1, count: count)) == nil)
        }
    }

    @Test("knows its family, however it was written")
    func family() throws {
        #expect(try #require(IPAddress("::ffff:1.2.3.4")).isIPv4)
        #expect(try #require(IPAddress("1.2.3.4")).bitWidth == 32)
        #expect(try !#require(IPAddress("::1.2.3.4")).isIPv4)
        #expect(try #require(IPAddress("::1")).bitWidth == 128)
    }

    @Test("comes back from its own description, whatever it is")
    func roundTrip() throws {
        var random = SplitMix64(seed: 5952)
        for _ in 0..<5_000 {
            // Every second group or so is zero, since zero runs are what the notation is about.
            let bytes = (0..<8).flatMap { _ -> [UInt8] in
                let group =
                    Bool.random(using: &random)
                    ? 0 : UInt16.random(in: 0...0xFFFF, using: &random) >> Int.random(in: 0...12, using: &random)
                return [UInt8(group >> 8), UInt8(group & 0xFF)]
            }
            let address = try #require(IPAddress(rawBytes: bytes))
            try #require(IPAddress(address.description) == address, "\(bytes)")
        }
    }
}
