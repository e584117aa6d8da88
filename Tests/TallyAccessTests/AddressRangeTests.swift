import TallyAccess
import Testing

@Suite("An address range")
struct AddressRangeTests {
    @Test(
        "holds what shares its prefix, and nothing else",
        arguments: [
            (
                "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                ["9.255.255.255", "11.0.0.0", "::a00:1"]
            ),
            ("192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
            ("192.0.2.7/32", ["192.0.2.7"], ["192.0.2.6"]),
            ("192.0.2.4/31", ["192.0.2.4", "192.0.2.5"], ["192.0.2.3", "192.0.2.6"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1", "2001:db8::1"]),
            ("::/0", ["::", "::1", "ffff::"], ["0.0.0.0", "10.0.0.1", "::ffff:10.0.0.1"]),
            ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fc00::1", "fe00::1"]),
            ("::1", ["::1", "0:0:0:0:0:0:0:1"], ["::", "::2", "0.0.0.1"]),
            ("2001:db8::/33", ["2001:db8:7fff::1"], ["2001:db8:8000::1"]),
            ("::ffff:10.0.0.0/104", ["10.9.8.7"], ["11.0.0.1", "::1"]),
            ("::ffff:0:0/96", ["10.9.8.7"], ["::1"]),
        ])
    func contains(text: String, inside: [String], outside: [String]) throws {
        let range = try AddressRange(parsing: text)
        for address in inside { #expect(try range.contains(#require(IPAddress(address))), "\(address)") }
        for address in outside { #expect(try !range.contains(#require(IPAddress(address))), "\(address)") }
    }

    @Test(
        "is written as an address where it holds one, else as CIDR",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1/32", "10.0.0.1"), ("::1/128", "::1"), ("FD00:0::/8", "fd00::/8"),
            ("::/0", "::/0"), ("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:a00:1/128", "10.0.0.1"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ])
    func description(text: String, canonical: String) throws {
        #expect(try AddressRange(parsing: text).description == canonical)
    }

    @Test(
        "says what is wrong with its text",
        arguments: [
            ("", AddressRangeError.Kind.empty),
            ("localhost", .notAnAddress), ("/8", .notAnAddress), ("10.0.0/8", .notAnAddress), (" ::1", .notAnAddress),
            ("fe80::1%eth0", .zone), ("fe80::%1/64", .zone),
            ("10.0.0.0/", .prefixLength(allowed: 0...32)), ("10.0.0.0/33", .prefixLength(allowed: 0...32)),
            ("10.0.0.0/08", .prefixLength(allowed: 0...32)), ("10.0.0.0/-1", .prefixLength(allowed: 0...32)),
            ("10.0.0.0/+8", .prefixLength(allowed: 0...32)), ("10.0.0.0/8/8", .prefixLength(allowed: 0...32)),
            ("10.0.0.0/255.0.0.0", .prefixLength(allowed: 0...32)), ("10.0.0.0/8 ", .prefixLength(allowed: 0...32)),
            ("::/129", .prefixLength(allowed: 0...128)), ("::/18446744073709551616", .prefixLength(allowed: 0...128)),
            ("::ffff:10.0.0.0/8", .prefixLength(allowed: 96...128)),
            ("10.0.0.1/8", .hostBits(suggestion: "10.0.0.0/8")), ("192.0.2.7/0", .hostBits(suggestion: "0.0.0.0/0")),
            ("fd00::1/8", .hostBits(suggestion: "fd00::/8")),
            ("::ffff:10.0.0.1/104", .hostBits(suggestion: "10.0.0.0/8")),
        ])
    func fault(text: String, kind: AddressRangeError.Kind) {
        let error = #expect(throws: AddressRangeError.self) { try AddressRange(parsing: text) }
        #expect(error?.kind == kind)
        #expect(error?.entry == text)
    }

    @Test("is refused as a number where its text would be")
    func numbers() throws {
        let network = try #require(IPAddress("10.0.0.0"))
        #expect(AddressRange(network: network, prefixLength: 8)?.description == "10.0.0.0/8")
        #expect(AddressRange(network: network, prefixLength: 4) == nil)
        #expect(AddressRange(network: network, prefixLength: 33) == nil)
        #expect(AddressRange(network: network, prefixLength: -1) == nil)
    }
}

@Suite("An address list")
struct AddressListTests {
    @Test("is read with spaces and tabs round its entries, and holds what one of them holds")
    func parses() throws {
        let list = try AddressList(parsing: " 127.0.0.0/8 ,\t::1,fd00::/8 ")
        #expect(list.ranges.map(\.description) == ["127.0.0.0/8", "::1", "fd00::/8"])
        #expect(try list.contains(#require(IPAddress("127.1.2.3"))))
        #expect(try list.contains(#require(IPAddress("fd00::5"))))
        #expect(try !list.contains(#require(IPAddress("128.0.0.1"))))
    }

    @Test("names all bad entries at once")
    func faults() {
        let error = #expect(throws: AddressListError.self) {
            try AddressList(parsing: "10.0.0.1/8,::1,, vpn.example ,10.0.0.0/99")
        }
        #expect(
            error?.faults.map(\.kind) == [
                .hostBits(suggestion: "10.0.0.0/8"), .empty, .notAnAddress, .prefixLength(allowed: 0...32),
            ])
        #expect(error?.faults.map(\.entry) == ["10.0.0.1/8", "", "vpn.example", "10.0.0.0/99"])
        #expect(
            error?.description.contains("\"10.0.0.1/8\" has bits set beyond its prefix; did you mean 10.0.0.0/8 ?")
                == true)
        #expect(error?.description.contains("\"vpn.example\" is not an IPv4 or IPv6 address") == true)
    }

    @Test("is not read from a text without entries", arguments: ["", " ", ",", "::1,"])
    func empty(text: String) {
        let error = #expect(throws: AddressListError.self) { try AddressList(parsing: text) }
        #expect(error?.faults.first?.kind == .empty)
    }

    @Test("holds nobody if it is made of nothing")
    func nobody() throws {
        #expect(try !AddressList([]).contains(#require(IPAddress("127.0.0.1"))))
    }

    @Test("shows bad bytes escaped and a long text cut")
    func escapes() {
        let error = #expect(throws: AddressListError.self) {
            try AddressList(
                parsing: "a\\b\u{1B}[31mé,\(String(repeating: "x", count: 65)),\(String(repeating: "y", count: 64))")
        }
        #expect(
            error?.faults.map(\.entry) == [
                #"a\\b\x1b[31m\xc3\xa9"#, String(repeating: "x", count: 61) + "...", String(repeating: "y", count: 64),
            ])
    }
}
