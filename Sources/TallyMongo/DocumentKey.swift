import TallyCore

/// Which document: of a client's two for a test, the one of all time, or the one of a day's hours.
struct DocumentKey: Hashable, Sendable {
    let kind: CountUpdate.Kind
    let client: Name
    let test: Name
    /// Days since 1970, of the hours alone; else nil.
    let day: Int64?

    var collection: String { self.kind.collection(of: self.client) }

    /// Writes the document's `_id`, under a key of its own or as an element of an array.
    func appendID(_ field: String? = nil, to writer: inout BSONWriter) {
        guard let day else {
            if let field { writer.string(field, self.test.string) } else { writer.string(self.test.string) }
            return
        }
        let body: (inout BSONWriter) -> Void = {
            $0.string("test", self.test.string)
            $0.date("day", secondsSince1970: day * 86_400)
        }
        if let field { writer.document(field, body) } else { writer.document(body) }
    }
}

extension DocumentKey {
    /// Reads what `collection` and `appendID` wrote.
    init(collection: String, id: BSONValue?) throws(BSONFault) {
        let suffix = CountUpdate.Kind.hourlySuffix
        switch id {
        case .string(let test) where !collection.hasSuffix(suffix):
            self.init(kind: .totals, client: Name(collection), test: Name(test), day: nil)
        case .document(let id) where collection.hasSuffix(suffix):
            let day = try id.secondsSince1970("day") / 86_400
            self.init(
                kind: .hours, client: Name(String(collection.dropLast(suffix.count))),
                test: Name(try id.string("test")), day: day)
        default: throw BSONFault(what: "a document's _id does not fit its collection")
        }
    }
}
