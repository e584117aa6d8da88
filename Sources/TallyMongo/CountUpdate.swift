import TallyCore

/// What a document has already: its marks, as `DocumentMarks.read` finds them.
struct AppliedMarks: Sendable, Equatable {
    /// Nothing of an epoch whose ordinal is this or a lower one is applied any more; 0 where there is no floor.
    var floor: Int64 = 0
    /// The last batch of each epoch that the document has, by the epoch's 16 hexadecimal digits.
    var numbers: [String: Int64] = [:]
}

/// Writes what adds a batch to documents, each document once.
///
/// A document that is not there is inserted whole, with its mark. One that is there is changed by an update whose filter
/// holds the guard, and which never inserts:
///
///     {q: {_id: …, "applied.floor": {$not: {$gte: ordinal}}, "applied.<epoch>": {$not: {$gte: number}}},
///      u: {$inc: {…}, $set: {"applied.<epoch>": number}, …}}
///
/// The guard must never stand beside an upsert: a document that the filter excludes would be inserted again, and E11000
/// would then say both "applied already" and "somebody else was first with another batch". Here E11000 can come from the
/// insert alone, and says only that the document is there by now; it is looked at anew (`DocumentWriter`).
struct CountUpdate: Sendable {
    /// Which of a client's two documents for a test.
    enum Kind: CaseIterable, Sendable {
        /// The sums of all time, in the client's collection.
        case totals
        /// The hours of one UTC day, in the client's hourly collection: bounded by 24 times the bounds on names.
        case hours

        /// What tells the collection of the hours from that of the totals; a client's name holds no dot.
        static let hourlySuffix = ".hourly"

        func collection(of client: Name) -> String {
            self == .totals ? client.string : client.string + Self.hourlySuffix
        }
    }

    let batch: BatchID
    /// The epoch's ordinal, from 1.
    let ordinal: Int64
    let horizon: EpochHorizon
    let hour: Hour
    /// When the batch was sealed, in seconds since 1970.
    let sealedAt: Int64

    /// Whether a document with these marks has the batch, or must not get it any more.
    func isApplied(_ marks: AppliedMarks) -> Bool {
        marks.floor >= self.ordinal || marks.numbers[self.batch.epoch.description, default: 0] >= self.batch.number
    }

    /// Which document of this kind takes these counts.
    func key(_ kind: Kind, of document: DocumentCounts) -> DocumentKey {
        DocumentKey(
            kind: kind, client: document.client, test: document.test, day: kind == .hours ? self.hour.day : nil)
    }

    /// Writes the document to insert where there is none.
    func appendInsertion(_ kind: Kind, of document: DocumentCounts, to documents: inout BSONWriter) {
        documents.document {
            self.key(kind, of: document).appendID("_id", to: &$0)
            switch kind {
            case .totals:
                let views = document.counts.filter { $0.event == .view }
                $0.document("variations") {
                    for count in views { $0.int64(FieldName.encode(count.variation), count.count) }
                }
                $0.int64("total", views.reduce(0) { $0 + $1.count })
                $0.document("events") { Self.events(document.counts.filter { $0.event != .view }, to: &$0) }
                $0.date("firstTrackedAt", secondsSince1970: self.hour.secondsSince1970)
            case .hours:
                $0.document("hours") { $0.document(self.hourField) { Self.events(document.counts, to: &$0) } }
            }
            $0.date("updatedAt", secondsSince1970: self.sealedAt)
            $0.document("applied") {
                $0.int64(self.batch.epoch.description, self.batch.number)
                if self.horizon.floor > 0 { $0.int64("floor", self.horizon.floor) }
            }
        }
    }

    /// Writes the update statement for a document that is there.
    /// - Parameter marks: the document's, by which it is known which of them can be pruned.
    func appendChange(
        _ kind: Kind, of document: DocumentCounts, marks: AppliedMarks, to statements: inout BSONWriter
    ) {
        statements.document {
            $0.document("q") {
                self.key(kind, of: document).appendID("_id", to: &$0)
                Self.below("applied.floor", self.ordinal, to: &$0)
                Self.below(self.mark, self.batch.number, to: &$0)
            }
            $0.document("u") {
                $0.document("$inc") {
                    switch kind {
                    case .totals: Self.totals(document.counts, to: &$0)
                    case .hours:
                        for count in document.counts {
                            $0.int64("hours.\(self.hourField).\(Self.path(count))", count.count)
                        }
                    }
                }
                $0.document("$set") { $0.int64(self.mark, self.batch.number) }
                if kind == .totals {
                    $0.document("$min") { $0.date("firstTrackedAt", secondsSince1970: self.hour.secondsSince1970) }
                }
                $0.document("$max") {
                    $0.date("updatedAt", secondsSince1970: self.sealedAt)
                    if self.horizon.floor > 0 { $0.int64("applied.floor", self.horizon.floor) }
                }
                let pruned = self.pruned(marks)
                if !pruned.isEmpty {
                    $0.document("$unset") { for epoch in pruned { $0.bool("applied.\(epoch)", true) } }
                }
            }
        }
    }

    // MARK: Marks

    private var mark: String { "applied.\(self.batch.epoch)" }

    /// `$not`, so that a field that is missing passes, too.
    private static func below(_ path: String, _ limit: Int64, to filter: inout BSONWriter) {
        filter.document(path) { $0.document("$not") { $0.int64("$gte", limit) } }
    }

    /// Marks go only together with raising the floor above them, and most documents have none that could go.
    private func pruned(_ marks: AppliedMarks) -> [String] {
        guard marks.floor < self.horizon.floor else { return [] }
        return self.horizon.closed.map(\.description).filter {
            marks.numbers[$0] != nil && $0 != self.batch.epoch.description
        }
    }

    private var hourField: String { (self.hour.hourOfDay < 10 ? "0" : "") + String(self.hour.hourOfDay) }

    // MARK: Sums

    /// Adds up; the server refuses a sum beyond 64 bits. The total is written even where it grows by nothing, so that
    /// every document has one.
    private static func totals(_ counts: [DocumentCounts.Count], to writer: inout BSONWriter) {
        var total: Int64 = 0
        for count in counts {
            if count.event == .view {
                writer.int64("variations.\(FieldName.encode(count.variation))", count.count)
                total += count.count
            } else {
                writer.int64("events.\(self.path(count))", count.count)
            }
        }
        writer.int64("total", total)
    }

    private static func path(_ count: DocumentCounts.Count) -> String {
        "\(FieldName.encode(count.event)).\(FieldName.encode(count.variation))"
    }

    /// `<event>: {<variation>: n}`, sorted by both.
    private static func events(_ counts: [DocumentCounts.Count], to writer: inout BSONWriter) {
        let byEvent = Dictionary(grouping: counts, by: \.event).sorted { $0.key < $1.key }
        for (event, counts) in byEvent {
            writer.document(FieldName.encode(event)) {
                for count in counts { $0.int64(FieldName.encode(count.variation), count.count) }
            }
        }
    }
}
