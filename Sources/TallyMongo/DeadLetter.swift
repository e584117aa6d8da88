import TallyCore

/// What one batch holds for one document, kept because the document did not take it, or because something older waits
/// for the same document. It carries all that is needed to apply it later, under its own number.
///
///     {_id: {epoch: "<16 hexadecimal digits>", number, collection, document: <the document's _id>},
///      ordinal, hour, sealedAt, counts: [{variation, event, count}], total, code, message, at}
struct DeadLetter: Sendable {
    let batch: BatchID
    /// The epoch's, from 1.
    let ordinal: Int64
    let key: DocumentKey
    let hour: Hour
    /// In seconds since 1970.
    let sealedAt: Int64
    let counts: [DocumentCounts.Count]
    /// The server's number for why, and its words; 0 where tally itself found the reason.
    let code: Int32
    let message: String

    /// - Parameter fault: Nil where the document was not asked, since older letters wait for it.
    init(_ document: DocumentCounts, _ kind: CountUpdate.Kind, of update: CountUpdate, fault: WriteReply.Fault?) {
        self.batch = update.batch
        self.ordinal = update.ordinal
        self.key = update.key(kind, of: document)
        self.hour = update.hour
        self.sealedAt = update.sealedAt
        self.counts = document.counts
        self.code = fault?.code ?? 0
        self.message = fault?.message ?? "an earlier batch waits for the same document"
    }

    /// The sum of the counts.
    var sum: Int64 { self.counts.reduce(0) { $0 + $1.count } }

    /// What the letter holds back from the epoch's total. The hours are the same counts a second time, so none.
    var total: Int64 { self.key.kind == .totals ? self.sum : 0 }

    /// What applies it. Prunes no marks, so it needs no horizon.
    var update: CountUpdate {
        CountUpdate(
            batch: self.batch, ordinal: self.ordinal, horizon: EpochHorizon(floor: 0, closed: []), hour: self.hour,
            sealedAt: self.sealedAt)
    }

    var document: DocumentCounts {
        DocumentCounts(client: self.key.client, test: self.key.test, counts: self.counts)
    }

    /// Writes the letter's `_id`.
    func appendID(to writer: inout BSONWriter) {
        writer.document("_id") {
            $0.string("epoch", self.batch.epoch.description)
            $0.int64("number", self.batch.number)
            $0.string("collection", self.key.collection)
            self.key.appendID("document", to: &$0)
        }
    }

    /// Writes the whole record, as an element of an array.
    /// - Parameter now: in seconds since 1970.
    func append(at now: Int64, to letters: inout BSONWriter) {
        letters.document {
            self.appendID(to: &$0)
            $0.int64("ordinal", self.ordinal)
            $0.date("hour", secondsSince1970: self.hour.secondsSince1970)
            $0.date("sealedAt", secondsSince1970: self.sealedAt)
            $0.array("counts") {
                for count in self.counts {
                    $0.document {
                        $0.string("variation", count.variation.string)
                        $0.string("event", count.event.string)
                        $0.int64("count", count.count)
                    }
                }
            }
            $0.int64("total", self.total)
            $0.int32("code", self.code)
            $0.string("message", self.message)
            $0.date("at", secondsSince1970: now)
        }
    }
}

extension DeadLetter {
    /// Reads what `append` wrote.
    init(_ record: BSONDocument) throws(BSONFault) {
        let id = try record.subdocument("_id")
        guard let epoch = Epoch(try id.string("epoch")) else { throw BSONFault(what: "_id.epoch is no epoch") }
        self.batch = BatchID(epoch: epoch, number: try id.wholeNumber("number"))
        self.ordinal = try record.wholeNumber("ordinal")
        self.key = try DocumentKey(collection: id.string("collection"), id: id.value("document"))
        self.hour = Hour(containing: try record.secondsSince1970("hour"))
        self.sealedAt = try record.secondsSince1970("sealedAt")
        guard case .array(let list) = try record.value("counts") else { throw BSONFault(what: "counts is no array") }
        var counts: [DocumentCounts.Count] = []
        for (_, value) in try list.elements() {
            guard case .document(let count) = value else { throw BSONFault(what: "a count is no document") }
            counts.append(
                .init(
                    variation: Name(try count.string("variation")), event: Name(try count.string("event")),
                    count: try count.wholeNumber("count")))
        }
        self.counts = counts
        self.code = Int32(truncatingIfNeeded: try record.wholeNumber("code"))
        self.message = try record.string("message")
    }
}
