import Testing

@testable import TallyExchange

@Suite("SHA-256")
struct SHA256Tests {
    /// - Source: https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values, and FIPS 180-2, B.3.
    @Test(
        "gives the published values",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ])
    func vectors(_ text: String, _ expected: String) {
        var hash = SHA256()
        hash.update(text.utf8)
        let digits = hash.finish().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(digits.joined() == expected)
    }
}
