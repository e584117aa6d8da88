/// Values of `X-Forwarded-For` as somebody writes them who wants to be taken for `wanted`.
public struct ForgedForwardedFor: Sendable {
    /// The address that may do what the forger may not.
    public let wanted: String
    /// A proxy that is trusted.
    public let proxy: String
    private var random: SplitMix64

    public init(wanted: String, proxy: String, seed: UInt64) {
        self.wanted = wanted
        self.proxy = proxy
        self.random = SplitMix64(seed: seed)
    }

    /// The lines of one request's header; none is possible. Nothing in them that HTTP forbids in a header.
    public mutating func next() -> [String] {
        (0..<Int.random(in: 0...3, using: &self.random)).map { _ in self.line() }
    }

    private mutating func line() -> String {
        let separators = [",", ", ", " ,", ",,", ";", " ", "\t", ",\t", ", ,", "|", "%2C", ",%20"]
        var line = ""
        for index in 0..<Int.random(in: 1...5, using: &self.random) {
            if index > 0 { line += separators[Int.random(in: 0..<separators.count, using: &self.random)] }
            line += self.entry()
        }
        // Something in the wrong place, now and then.
        if Int.random(in: 0..<4, using: &self.random) == 0 {
            var scalars = Array(line.unicodeScalars)
            let marks = Array(",:.[]%0\"' \t;=/\u{FF0C}\u{A0}\u{2460}-_fF".unicodeScalars)
            scalars.insert(
                marks[Int.random(in: 0..<marks.count, using: &self.random)],
                at: Int.random(in: 0...scalars.count, using: &self.random))
            line = String(String.UnicodeScalarView(scalars))
        }
        return line
    }

    private mutating func entry() -> String {
        let octets = self.wanted.split(separator: ".").compactMap { UInt32($0) }
        let number = octets.reduce(0) { $0 << 8 | $1 }
        let hex = String(number, radix: 16)
        let padded = String(repeating: "0", count: max(0, 8 - hex.count)) + hex
        let forms = [
            self.wanted, self.wanted, self.proxy, self.proxy + ":80", "127.0.0.1", "::1", "localhost", "unknown", "",
            "-",
            "_hidden", "0.0.0.0", "::", "\"\(self.wanted)\"", "for=\(self.wanted)", "for=\"\(self.wanted)\"",
            "\(self.wanted):80", "\(self.wanted):0", "\(self.wanted):99999", "\(self.wanted):", "[\(self.wanted)]",
            "[\(self.wanted)]:80", "::ffff:\(self.wanted)", "[::ffff:\(self.wanted)]", "[::ffff:\(self.wanted)]:443",
            "::FFFF:\(padded.prefix(4)):\(padded.suffix(4))", "0:0:0:0:0:ffff:\(self.wanted)", "::\(self.wanted)",
            "64:ff9b::\(self.wanted)", "2002:\(padded.prefix(4)):\(padded.suffix(4))::", String(number), "0x\(hex)",
            octets.map { "0\(String($0, radix: 8))" }.joined(separator: "."),
            octets.map { "0x\(String($0, radix: 16))" }.joined(separator: "."),
            octets.map { "00\($0)" }.joined(separator: "."), "\(self.wanted)/0", "0.0.0.0/0", "*",
            "\(self.wanted)%00", "\(self.wanted)%lo", "fe80::1%eth0", "\(self.wanted)\\", "\(self.wanted).",
            ".\(self.wanted)", "\(self.wanted) \(self.proxy)", "$remote_addr", "\(self.wanted)\u{FF0C}\(self.proxy)",
            "'\(self.wanted)'", "<\(self.wanted)>", "host.example", "1.2.3", "1.2.3.4.5", "256.1.1.1",
        ]
        return forms[Int.random(in: 0..<forms.count, using: &self.random)]
    }
}
