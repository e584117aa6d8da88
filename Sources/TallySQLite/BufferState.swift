import GRDB
import TallyCore

/// Where the buffer stands: its epoch, and the batch that takes counts now. Read and written back within one
/// transaction, since other processes change it too.
struct BufferState: Equatable {
    private(set) var epoch: Epoch
    /// Of the batch sealed last in this epoch; 0 for none.
    private(set) var lastNumber: Int64
    /// Which rows of `counts` are those of the live batch.
    private(set) var livePosition: Int64
    private(set) var liveHour: Int64
    private(set) var liveTotal: Int64
    private(set) var liveFields: Int64
    /// Everything counted in this epoch.
    private(set) var accepted: Int64
    /// How many clients' names are known.
    var clients: Int64

    static func load(_ db: Database) throws -> BufferState {
        let state = try SQLStatement(
            db,
            """
            SELECT epoch, last_number, live_position, live_hour, live_total, live_fields, accepted, clients
            FROM buffer_state
            """
        ).first { row in
            Epoch(row.text(0)).map {
                BufferState(
                    epoch: $0, lastNumber: row.integer(1), livePosition: row.integer(2), liveHour: row.integer(3),
                    liveTotal: row.integer(4), liveFields: row.integer(5), accepted: row.integer(6),
                    clients: row.integer(7))
            }
        }
        guard let state = state ?? nil else {
            throw BufferError(
                .malformed, "the embedded buffer lacks the record of where it stands; put back a complete copy of it")
        }
        return state
    }

    func save(_ db: Database) throws {
        let statement = try SQLStatement(
            db,
            """
            UPDATE buffer_state SET epoch = ?, last_number = ?, live_position = ?, live_hour = ?, live_total = ?,
                live_fields = ?, accepted = ?, clients = ?
            """)
        statement.bind(1, self.epoch.description)
        statement.bind(2, self.lastNumber)
        statement.bind(3, self.livePosition)
        statement.bind(4, self.liveHour)
        statement.bind(5, self.liveTotal)
        statement.bind(6, self.liveFields)
        statement.bind(7, self.accepted)
        statement.bind(8, self.clients)
        try statement.run()
    }

    /// Closes the live batch under the next number. Nothing counted, nothing sealed.
    ///
    /// Costs one row whatever the batch holds: its counts carry its position, and the next ones the next position.
    /// - Parameter now: seconds since 1970.
    mutating func seal(_ db: Database, now: Int64) throws {
        guard self.liveTotal > 0 else { return }
        self.lastNumber += 1
        try self.append(
            db, kind: "batch", number: self.lastNumber, now: now, total: self.liveTotal, fields: self.liveFields)
        self.liveTotal = 0
        self.liveFields = 0
    }

    /// Ends the epoch: what is live is sealed under it, its end is put behind, and numbers begin anew in a fresh one.
    ///
    /// An epoch in which nothing was counted needs no end, but is replaced all the same: in the file that this one is
    /// an old copy of, it may have been used.
    /// - Parameter storeIsElsewhere: where the batches of the new one are to go.
    mutating func beginEpoch(_ db: Database, now: Int64, storeIsElsewhere: Bool) throws {
        try self.seal(db, now: now)
        if self.lastNumber > 0 {
            try self.append(db, kind: "epochClosed", number: 0, now: now, total: self.accepted, fields: 0)
            try ClosedEpochs.remember(self.epoch, accepted: self.accepted, db)
        }
        self.epoch = .random()
        self.lastNumber = 0
        self.accepted = 0
        if storeIsElsewhere { try EpochsElsewhere.begin(self.epoch, db) }
    }

    /// Makes sure that counts accepted now belong to the live batch. An hour that differs seals it, be it later or
    /// earlier, since a batch is of one hour; so does a batch that is full.
    mutating func prepareToCount(_ db: Database, now: Int64, maximumFields: Int) throws {
        let hour = Hour(containing: now).hoursSince1970
        if self.liveHour != hour || self.liveFields >= Int64(maximumFields) { try self.seal(db, now: now) }
        self.liveHour = hour
    }

    /// Whether this much more can be counted without a sum beyond 64 bits. Counts are positive, so where the epoch's
    /// total has room every counter has.
    func hasRoom(for sum: Int64) -> Bool { !self.accepted.addingReportingOverflow(sum).overflow }

    /// - Parameter newFields: how many counters of the live batch were not there before.
    mutating func counted(_ sum: Int64, newFields: Int64) {
        self.liveTotal += sum
        self.liveFields += newFields
        self.accepted += sum
    }

    private mutating func append(
        _ db: Database, kind: String, number: Int64, now: Int64, total: Int64, fields: Int64
    ) throws {
        let statement = try SQLStatement(
            db,
            """
            INSERT INTO batches (position, kind, epoch, number, hour, sealed_at, total, fields)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        statement.bind(1, self.livePosition)
        statement.bind(2, kind)
        statement.bind(3, self.epoch.description)
        statement.bind(4, number)
        statement.bind(5, self.liveHour)
        statement.bind(6, now)
        statement.bind(7, total)
        statement.bind(8, fields)
        try statement.run()
        self.livePosition += 1
    }
}
