/// How the Node service wrote a counter's name as a key: `count:{client}:{test}:{variation}`.
public struct NodeKeyPattern: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        case literal([UInt8])
        case client
        case test
        case variation
    }

    /// What a key names.
    struct Names: Equatable {
        let client: String
        let test: String
        let variation: String
    }

    let parts: [Part]

    /// Reads a pattern: text with `{client}`, `{test}` and `{variation}`, each of them once, and something between them.
    /// - Returns: nil for any other text.
    public init?(_ text: String) {
        let fields: [(String, Part)] = [("{client}", .client), ("{test}", .test), ("{variation}", .variation)]
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = text[...]
        while !rest.isEmpty {
            if let (name, part) = fields.first(where: { rest.hasPrefix($0.0) }) {
                if !literal.isEmpty {
                    parts.append(.literal(literal))
                } else if !parts.isEmpty {
                    return nil
                }
                parts.append(part)
                literal = []
                rest = rest.dropFirst(name.count)
            } else {
                literal += rest.prefix(1).utf8
                rest = rest.dropFirst()
            }
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        let named = parts.filter { if case .literal = $0 { false } else { true } }
        guard named.count == 3, fields.allSatisfy({ named.contains($0.1) }) else { return nil }
        self.parts = parts
    }

    /// The same as a glob of Redis, which finds the keys and some others.
    /// - Source: https://redis.io/docs/latest/commands/keys/
    var glob: String {
        self.parts.map { part in
            guard case .literal(let bytes) = part else { return "*" }
            return String(decoding: bytes, as: UTF8.self).map { "*?[]\\^".contains($0) ? "\\\($0)" : "\($0)" }.joined()
        }.joined()
    }

    /// Takes a key apart, in every way in which it fits and no part is empty. Where that is more than one, nobody can
    /// know which was meant.
    /// - Parameter isClient: keeps out the ways whose client cannot be one.
    func names(in key: [UInt8], isClient: (ArraySlice<UInt8>) -> Bool) -> [Names] {
        var found: [Names] = []
        func match(_ parts: ArraySlice<Part>, _ rest: ArraySlice<UInt8>, _ taken: [Part: ArraySlice<UInt8>]) {
            guard let part = parts.first else {
                if rest.isEmpty, let client = taken[.client], isClient(client) {
                    func text(_ part: Part) -> String { String(decoding: taken[part] ?? [], as: UTF8.self) }
                    found.append(Names(client: text(.client), test: text(.test), variation: text(.variation)))
                }
                return
            }
            if case .literal(let bytes) = part {
                if rest.starts(with: bytes) { match(parts.dropFirst(), rest.dropFirst(bytes.count), taken) }
                return
            }
            let isLast = parts.count == 1
            for length in stride(from: isLast ? max(1, rest.count) : 1, through: rest.count, by: 1) {
                match(parts.dropFirst(), rest.dropFirst(length), taken.merging([part: rest.prefix(length)]) { $1 })
            }
        }
        match(self.parts[...], key[...], [:])
        return found
    }
}

extension NodeKeyPattern.Part: Hashable {}
