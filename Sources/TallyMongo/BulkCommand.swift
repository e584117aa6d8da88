/// A write command with many statements or documents, cut where it would become too large.
struct BulkCommand {
    /// A command may have 16 MiB; the last element may go beyond this by its own size, which the bounds on names hold to
    /// about 2 MB.
    static let maximumBytes = 8_000_000

    let document: BSONDocument
    /// How many of the elements are in it, from the first; at least one.
    let count: Int

    /// Writes as many elements as fit.
    /// - Parameters:
    ///   - name: `insert` or `update`; the statements are not ordered, so one that fails stops no other.
    ///   - list: what the elements are called in the command: `documents`, `updates`.
    init<Element>(
        _ name: String, _ collection: String, _ list: String, of elements: ArraySlice<Element>,
        _ append: (Element, inout BSONWriter) -> Void
    ) {
        var count = 0
        self.document = BSONWriter.document(reservingBytes: 256 + elements.count * 512) {
            $0.string(name, collection)
            $0.bool("ordered", false)
            $0.array(list) {
                for element in elements where $0.bytes.count < Self.maximumBytes {
                    append(element, &$0)
                    count += 1
                }
            }
        }
        self.count = count
    }
}
