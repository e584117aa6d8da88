import TallyCore

/// Writes the update statements that add a batch to documents, each document once.
///
/// A statement finds its document by `_id` alone, makes it where there is none, and is one pipeline stage, all of whose
/// expressions see the document as it was:
///
///     {q: {_id: …}, upsert: true, u: [
///         {$replaceWith: {$cond: [GUARD, {$mergeObjects: ["$$ROOT", ADDITIONS]}, "$$ROOT"]}}]}
///
/// GUARD holds where the epoch's ordinal is above `applied.floor` and the mark `applied.<epoch>` below the batch's
/// number. It must not stand in the filter: with an upsert, a document that the filter excludes is inserted again, and
/// E11000 then says both "applied already" and "somebody else was first with another batch".
struct CountUpdate: Sendable {
    let batch: BatchID
    /// The epoch's ordinal, from 1.
    let ordinal: Int64
    let horizon: EpochHorizon
    let hour: Hour
    /// When the batch was sealed, in seconds since 1970.
    let sealedAt: Int64

    /// The statement for the totals of a test, in the client's collection.
    func appendTotals(of document: DocumentCounts, to statements: inout BSONWriter) {
        let byEvent = Self.byEvent(document)
        let views = byEvent.first { $0.event == .view }?.counts ?? []
        self.appendStatement(to: &statements) {
            $0.string("_id", document.test.string)
        } additions: { additions in
            additions.expression("variations", "$mergeObjects") {
                $0.string("$variations")
                $0.document { Self.sums(views, under: "$variations", to: &$0) }
            }
            Self.sum("total", of: "$total", and: views.reduce(0) { $0 + $1.count }, to: &additions)
            additions.expression("events", "$mergeObjects") {
                $0.string("$events")
                $0.document { Self.events(byEvent.filter { $0.event != .view }, under: "$events", to: &$0) }
            }
            additions.expression("firstTrackedAt", "$min") {
                $0.string("$firstTrackedAt")
                $0.date(secondsSince1970: self.hour.secondsSince1970)
            }
        }
    }

    /// The statement for the hours of a test's day, in the client's hourly collection. A document holds one UTC day,
    /// so it is bounded by 24 times the bounds on names.
    func appendHours(of document: DocumentCounts, to statements: inout BSONWriter) {
        let hour = (self.hour.hourOfDay < 10 ? "0" : "") + String(self.hour.hourOfDay)
        let path = "$hours.\(hour)"
        self.appendStatement(to: &statements) {
            $0.document("_id") {
                $0.string("test", document.test.string)
                $0.date("day", secondsSince1970: self.hour.day * 86_400)
            }
        } additions: { additions in
            additions.expression("hours", "$mergeObjects") {
                $0.string("$hours")
                $0.document {
                    $0.expression(hour, "$mergeObjects") {
                        $0.string(path)
                        $0.document { Self.events(Self.byEvent(document), under: path, to: &$0) }
                    }
                }
            }
        }
    }

    private func appendStatement(
        to statements: inout BSONWriter, filter: (inout BSONWriter) -> Void, additions: (inout BSONWriter) -> Void
    ) {
        statements.document {
            $0.document("q", filter)
            $0.array("u") {
                $0.document {
                    $0.expression("$replaceWith", "$cond") {
                        self.guardExpression(to: &$0)
                        $0.expression("$mergeObjects") {
                            $0.string("$$ROOT")
                            $0.document {
                                additions(&$0)
                                $0.expression("updatedAt", "$max") {
                                    $0.string("$updatedAt")
                                    $0.date(secondsSince1970: self.sealedAt)
                                }
                                self.marks(to: &$0)
                            }
                        }
                        $0.string("$$ROOT")
                    }
                }
            }
            $0.bool("upsert", true)
        }
    }

    // MARK: Marks

    private func guardExpression(to writer: inout BSONWriter) {
        writer.expression("$and") {
            $0.expression("$lt") {
                Self.orZero("$applied.floor", to: &$0)
                $0.int64(self.ordinal)
            }
            $0.expression("$lt") {
                Self.orZero("$applied.\(self.batch.epoch)", to: &$0)
                $0.int64(self.batch.number)
            }
        }
    }

    /// The guard held, so the batch's number is the larger one. Marks are pruned only together with raising the floor
    /// above them, and only where that is due: most documents have nothing to prune.
    private func marks(to writer: inout BSONWriter) {
        writer.expression("applied", "$mergeObjects") {
            if self.horizon.floor == 0 || self.horizon.closed.isEmpty {
                $0.string("$applied")
            } else {
                $0.expression("$cond") {
                    $0.expression("$lt") {
                        Self.orZero("$applied.floor", to: &$0)
                        $0.int64(self.horizon.floor)
                    }
                    self.unprunedMarks(to: &$0)
                    $0.string("$applied")
                }
            }
            $0.document {
                $0.int64(self.batch.epoch.description, self.batch.number)
                if self.horizon.floor > 0 {
                    $0.expression("floor", "$max") {
                        $0.string("$applied.floor")
                        $0.int64(self.horizon.floor)
                    }
                }
            }
        }
    }

    private func unprunedMarks(to writer: inout BSONWriter) {
        writer.document {
            $0.document("$arrayToObject") {
                $0.document("$filter") {
                    $0.document("input") { $0.string("$objectToArray", "$applied") }
                    $0.expression("cond", "$not") {
                        $0.expression("$in") {
                            $0.string("$$this.k")
                            $0.array { for epoch in self.horizon.closed { $0.string(epoch.description) } }
                        }
                    }
                }
            }
        }
    }

    // MARK: Sums

    private typealias EventCounts = (event: Name, counts: [DocumentCounts.Count])

    private static func byEvent(_ document: DocumentCounts) -> [EventCounts] {
        Dictionary(grouping: document.counts, by: \.event).map { ($0.key, $0.value) }.sorted { $0.event < $1.event }
    }

    private static func events(_ events: [EventCounts], under path: String, to writer: inout BSONWriter) {
        for (event, counts) in events {
            let field = FieldName.encode(event)
            writer.expression(field, "$mergeObjects") {
                $0.string("\(path).\(field)")
                $0.document { Self.sums(counts, under: "\(path).\(field)", to: &$0) }
            }
        }
    }

    private static func sums(_ counts: [DocumentCounts.Count], under path: String, to writer: inout BSONWriter) {
        for count in counts {
            let field = FieldName.encode(count.variation)
            self.sum(field, of: "\(path).\(field)", and: count.count, to: &writer)
        }
    }

    /// `$toLong`, since `$add` turns a sum that does not fit 64 bits into a floating-point number: the server then
    /// refuses the update, where it would have counted wrong.
    private static func sum(_ field: String, of path: String, and count: Int64, to writer: inout BSONWriter) {
        writer.document(field) {
            $0.expression("$toLong", "$add") {
                Self.orZero(path, to: &$0)
                $0.int64(count)
            }
        }
    }

    private static func orZero(_ path: String, to writer: inout BSONWriter) {
        writer.expression("$ifNull") {
            $0.string(path)
            $0.int64(0)
        }
    }
}
