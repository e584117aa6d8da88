/// What the server says of the statements of a write command.
struct WriteReply {
    /// A statement that was not carried out.
    struct Fault: Sendable {
        /// Which statement of the command, from 0.
        let index: Int
        let code: Int32
        let message: String

        /// Two inserts of one key met (E11000).
        var isDuplicateKey: Bool { self.code == 11000 }

        /// Only a change of the document that the statement names helps.
        var isOfDocument: Bool { MongoError.mayBeOfDocument(serverCode: self.code) }
    }

    /// How many documents the statements found, or inserted.
    let count: Int64
    let faults: [Fault]

    /// - Throws: `MongoError` where the reply reports that the write is not with a majority, or is no reply.
    init(_ reply: BSONDocument, attempted: String) throws(MongoError) {
        let concern: BSONValue?
        do throws(BSONFault) {
            self.count = try reply.value("n")?.wholeNumber ?? 0
            var faults: [Fault] = []
            if case .array(let errors) = try reply.value("writeErrors") {
                for case (_, .document(let error)) in try errors.elements() {
                    faults.append(
                        Fault(
                            index: Int(try error.value("index")?.wholeNumber ?? 0),
                            code: Int32(truncatingIfNeeded: try error.value("code")?.wholeNumber ?? 0),
                            message: try Self.text(error, "errmsg")))
                }
            }
            self.faults = faults
            concern = try reply.value("writeConcernError")
        } catch {
            throw MongoError(.driver, code: 0, message: "the reply is not valid: \(error.what)", attempted: attempted)
        }
        if case .document(let concern) = concern {
            throw MongoError(
                .writeConcern, code: Int32(truncatingIfNeeded: (try? concern.value("code"))??.wholeNumber ?? 0),
                message: (try? Self.text(concern, "errmsg")) ?? "no message", attempted: attempted)
        }
    }

    /// The error labels of a reply; none where it has none.
    static func labels(of reply: BSONDocument) -> [String] {
        guard case .array(let labels) = try? reply.value("errorLabels"), let elements = try? labels.elements() else {
            return []
        }
        return elements.compactMap { if case .string(let label) = $0.value { label } else { nil } }
    }

    private static func text(_ document: BSONDocument, _ key: String) throws(BSONFault) -> String {
        if case .string(let text) = try document.value(key) { text } else { "no message" }
    }
}
