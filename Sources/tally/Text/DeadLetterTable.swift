import TallyCore

/// What documents refuse, for a person.
enum DeadLetterTable {
    static func render(_ queues: [DeadLetterQueue]) -> String {
        TextTable.render(
            header: ["collection", "test", "day", "batches", "counts", "since", "reason"],
            rows: queues.map { queue in
                [
                    queue.collection, queue.test.string,
                    queue.day.map { String(Timestamp.iso8601($0 * 86_400).prefix(10)) } ?? "",
                    String(queue.batches), String(queue.total), Timestamp.iso8601(queue.since), queue.reason,
                ]
            }, numeric: [3, 4])
    }
}
