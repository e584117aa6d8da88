import GRDB
import TallyCore

/// What was accepted in the latest epochs that ended, for the audit.
enum ClosedEpochs {
    /// How many are remembered, as in Redis; one more is one more start of the service.
    static let most: Int64 = 100

    static func remember(_ epoch: Epoch, accepted: Int64, _ db: Database) throws {
        let insert = try SQLStatement(db, "INSERT INTO closed_epochs (epoch, accepted) VALUES (?, ?)")
        insert.bind(1, epoch.description)
        insert.bind(2, accepted)
        try insert.run()
        let delete = try SQLStatement(
            db, "DELETE FROM closed_epochs WHERE position <= (SELECT max(position) FROM closed_epochs) - ?")
        delete.bind(1, self.most)
        try delete.run()
    }

    static func accepted(_ db: Database) throws -> [Epoch: Int64] {
        var accepted: [Epoch: Int64] = [:]
        try SQLStatement(db, "SELECT epoch, accepted FROM closed_epochs").forEach { row in
            if let epoch = Epoch(row.text(0)) { accepted[epoch] = row.integer(1) }
        }
        return accepted
    }
}
