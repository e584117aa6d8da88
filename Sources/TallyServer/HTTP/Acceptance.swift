import TallyCore

/// What a caller takes, from its `Accept` fields (RFC 9110, section 12.5.1).
struct Acceptance {
    private struct Range {
        /// In lower case, as `text/csv`, `text/*` or `*/*`.
        let type: Substring
        let weight: Double
    }

    private let ranges: [Range]

    /// - Parameter fields: the values of all `Accept` fields, in their order.
    init(_ fields: [String]) {
        self.ranges = fields.joined(separator: ",").lowercased().split(separator: ",").compactMap { range in
            let parts = range.split(separator: ";").map { $0.trimmingSpaces() }
            guard let type = parts.first, !type.isEmpty else { return nil }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return Range(type: type, weight: weight)
        }
    }

    /// How much a type is wanted: the weight of the most specific range that it falls into, 0 where there is none.
    /// Parameters other than the weight are left out of account: no type here has several forms.
    func weight(of type: String) -> Double {
        let family = type.prefix { $0 != "/" } + "/*"
        for name in [type[...], family[...], "*/*"] {
            // One that is named twice is taken at its best.
            if let weight = self.ranges.filter({ $0.type == name }).map(\.weight).max() { return weight }
        }
        return 0
    }

    /// Whether CSV is wanted, and more so than JSON, which is given in every other case: where both are wanted alike, and
    /// where neither is.
    var prefersCSV: Bool { self.weight(of: "text/csv") > self.weight(of: "application/json") }
}
