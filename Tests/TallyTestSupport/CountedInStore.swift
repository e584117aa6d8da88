public import TallyCore

/// Reads the counts out of what tally shows and keeps, so that they can be held against a `Ledger`.
public enum CountedInStore {
    /// From the JSON that `/get-metric` gives for one client.
    /// - Throws: `TestSupportError` where it does not look so, or a `total` is not the sum of its variations.
    public static func counts(inMetrics json: JSONValue) throws -> [Counter: Int64] {
        guard let client = json["clientName"]?.string, let tests = json["tests"]?.array else {
            throw TestSupportError("no metrics: \(json)")
        }
        var counts: [Counter: Int64] = [:]
        for test in tests {
            guard let name = test["testID"]?.string, let variations = test["variations"]?.fields,
                let total = test["total"]?.integer
            else { throw TestSupportError("no test's metrics: \(test)") }
            let events =
                [("view", variations)] + (test["events"]?.fields ?? []).map { ($0.name, $0.value.fields ?? []) }
            for (event, variations) in events {
                for variation in variations {
                    guard let count = variation.value.integer else {
                        throw TestSupportError("no count: \(variation.value)")
                    }
                    let counter = Counter(
                        client: Name(client), test: Name(name), variation: Name(variation.name), event: Name(event))
                    guard counts.updateValue(count, forKey: counter) == nil else {
                        throw TestSupportError("\(counter) is there twice")
                    }
                }
            }
            let sum = variations.reduce(0) { $0 + ($1.value.integer ?? 0) }
            guard sum == total else { throw TestSupportError("\(client)/\(name): total \(total), sum \(sum)") }
        }
        return counts
    }

    /// From the documents of one client's collection in MongoDB.
    /// - Throws: `TestSupportError` where a count is no int64, or a `total` is not the sum of its variations.
    public static func counts(inDocuments documents: [BSONDocument], client: Name) throws -> [Counter: Int64] {
        var counts: [Counter: Int64] = [:]
        for document in documents {
            guard let test = document["_id"]?.string else { throw TestSupportError("no test's document: \(document)") }
            let variations = document["variations"]?.document ?? [:]
            let events =
                [("view", variations)]
                + (document["events"]?.document?.fields ?? []).map {
                    (self.unescaped($0.name), $0.value.document ?? [:])
                }
            for (event, variations) in events {
                for (name, value) in variations.fields {
                    guard let count = value.int64 else {
                        throw TestSupportError("\(client)/\(test): no int64: \(value)")
                    }
                    let counter = Counter(
                        client: client, test: Name(test), variation: Name(self.unescaped(name)), event: Name(event))
                    guard counts.updateValue(count, forKey: counter) == nil else {
                        throw TestSupportError("\(counter) is there twice")
                    }
                }
            }
            let sum = variations.fields.reduce(0) { $0 + ($1.value.int64 ?? 0) }
            guard document["total"]?.int64 ?? 0 == sum else {
                throw TestSupportError("\(client)/\(test): total \(document["total"] ?? .null), sum \(sum)")
            }
        }
        return counts
    }

    /// Undoes the `%XX` that stands in field names for every byte outside `[A-Za-z0-9_-]`.
    public static func unescaped(_ name: String) -> String {
        var bytes: [UInt8] = []
        var rest = ArraySlice(name.utf8)
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
