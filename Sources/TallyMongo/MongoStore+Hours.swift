public import TallyCore

extension MongoStore {
    /// Documents of the hourly collection that one answer is made of: one for each test and day.
    static let daysAtOnce: Int32 = 50

    public func hours(client: Name, after last: HourCounts?) async throws -> [HourCounts] {
        guard NameRules.faultInClient(client.string.utf8) == nil else { return [] }
        let collection = CountUpdate.Kind.hours.collection(of: client)
        return try await self.driver.run { connection throws(MongoError) in
            // Answers end with whole documents, so the day that was given last is complete.
            let documents = try connection.aggregate(collection, attempted: "read a client's hours") {
                $0.document {
                    $0.document("$match") {
                        $0.document("_id") {
                            $0.string("$type", "object")
                            if let last {
                                $0.document("$gt") {
                                    $0.string("test", last.test.string)
                                    $0.date("day", secondsSince1970: last.hour.day * 86_400)
                                }
                            }
                        }
                    }
                }
                $0.document { $0.document("$sort") { $0.int32("_id", 1) } }
                $0.document { $0.int32("$limit", Self.daysAtOnce) }
                $0.document { $0.document("$project") { $0.int32("hours", 1) } }
            }
            var hours: [HourCounts] = []
            for document in documents { hours += try HourCounts.all(in: document, of: collection) }
            return hours
        }
    }
}

extension HourCounts {
    /// The hours of one day of one test.
    fileprivate static func all(in document: BSONDocument, of collection: String) throws(MongoError) -> [HourCounts] {
        do throws(BSONFault) {
            let id = try document.subdocument("_id")
            let test = Name(try id.string("test"))
            let day = Hour(containing: try id.secondsSince1970("day"))
            var hours: [HourCounts] = []
            for (field, value) in try document.subdocument("hours").elements() {
                guard let hour = Int64(field), (0..<24).contains(hour), case .document(let events) = value else {
                    throw BSONFault(what: "an hour is not a document of events")
                }
                hours.append(
                    HourCounts(
                        test: test, hour: Hour(hoursSince1970: day.hoursSince1970 + hour),
                        counts: try TestMetrics.events(events).flatMap { event in
                            event.variations.map { .init(variation: $0.name, event: event.name, count: $0.count) }
                        }))
            }
            return hours.sorted { $0.hour < $1.hour }
        } catch {
            throw MongoError(
                .content, code: 0, message: error.what, attempted: "read a day's hours in the collection \(collection)")
        }
    }
}
