import TallyCore

/// The hash over records, whatever form they were written in.
struct RecordDigest {
    private var hash = SHA256()

    mutating func add(_ record: CountRecord) {
        self.hash.update(record.packed)
        self.hash.update("\t\(record.hour.map { String($0.hoursSince1970) } ?? "-")\t\(record.count)\n".utf8)
    }

    consuming func finish() -> [UInt8] { self.hash.finish() }
}

extension CountRecord {
    /// The packed name of the counter (see `CounterField`).
    var packed: [UInt8] {
        CounterField.pack(client: self.client, test: self.test, variation: self.variation, event: self.event)
    }
}

extension Epoch {
    /// The epoch of an import, from what is imported: the same records in the same order give the same one, so that the
    /// store takes them once however often they come.
    /// - Parameters:
    ///   - label: tells apart what is meant to be counted although it is the same.
    ///   - digests: of the stretches that the records are cut into.
    static func ofImport(label: String, _ digests: [[UInt8]]) -> Epoch {
        var hash = SHA256()
        hash.update("tally import 1\n\(label)\n".utf8)
        for digest in digests { hash.update(digest) }
        let value = hash.finish().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Epoch(max(1, value))
    }
}
