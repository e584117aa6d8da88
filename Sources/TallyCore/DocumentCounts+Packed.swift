extension DocumentCounts {
    /// Groups counts by client and test, in the order that a sealed batch promises.
    ///
    /// The packed names sort otherwise than their parts only by the separator, and a tab is below every byte that a name
    /// can hold, so sorting the packed names is enough.
    /// - Parameter counts: by packed names (see `CounterField`).
    /// - Returns: nil where one of them is no counter's.
    public static func grouped(_ counts: some Sequence<(key: [UInt8], value: Int64)>) -> [DocumentCounts]? {
        var documents: [DocumentCounts] = []
        var client: Name?
        var test: Name?
        var group: [Count] = []
        func finish() {
            if let client, let test { documents.append(DocumentCounts(client: client, test: test, counts: group)) }
            group = []
        }
        for (field, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard let names = CounterField.unpack(field) else { return nil }
            if names.client != client || names.test != test {
                finish()
                (client, test) = (names.client, names.test)
            }
            group.append(Count(variation: names.variation, event: names.event, count: count))
        }
        finish()
        return documents
    }
}
