import Foundation

/// Three MongoDB servers of one test's own that are one replica set, for elections and lost primaries.
public final class MongoReplicaSet: Sendable {
    /// How long the others wait for a primary that is silent before they elect another one. MongoDB's default is 10 s.
    public static let electionTimeout: Duration = .seconds(2)

    public let members: [MongoServer]

    /// Starts the members and waits for the first primary.
    /// - Throws: `TestSupportError` where there is no mongod or it does not start.
    public static func start() async throws -> MongoReplicaSet {
        async let first = MongoServer.start(.member)
        async let second = MongoServer.start(.member)
        async let third = MongoServer.start(.member)
        let set = MongoReplicaSet(members: try await [first, second, third])
        try await set.initiate()
        return set
    }

    private init(members: [MongoServer]) { self.members = members }

    /// A connection string that names all members.
    public func uri(database: String) -> String {
        let hosts = self.members.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
        return "mongodb://\(hosts)/\(database)?replicaSet=\(MongoServer.replicaSetName)"
    }

    /// The member that takes writes, once there is one. One that is frozen, or thinks so only because it has not heard of
    /// its successor yet, does not count: a majority must follow it.
    public func primary(within limit: Duration = .seconds(60)) async throws -> MongoServer {
        var primary: MongoServer?
        try await eventually(within: limit, "a primary that a majority follows", log: { self.logTail }) {
            primary = nil
            for member in self.members where try await self.isFollowed(member) { primary = member }
            return primary != nil
        }
        guard let primary else { throw TestSupportError("there is no primary") }
        return primary
    }

    /// Whether a member is primary, and one of the others says so, too.
    private func isFollowed(_ member: MongoServer) async throws -> Bool {
        guard (try? await member.isPrimary(within: .seconds(1))) == true else { return false }
        for other in self.members where other.port != member.port {
            let hello = try? await other.hello(within: .seconds(1))
            if hello?["primary"]?.string == "127.0.0.1:\(member.port)" { return true }
        }
        return false
    }

    private func initiate() async throws {
        let members = self.members.enumerated().map { index, member -> BSONValue in
            ["_id": .int32(Int32(index)), "host": .string("127.0.0.1:\(member.port)")]
        }
        let milliseconds = Int32(Self.electionTimeout / .milliseconds(1))
        try await self.members[0].command(
            [
                "replSetInitiate": [
                    "_id": .string(MongoServer.replicaSetName), "members": .array(members),
                    "settings": ["electionTimeoutMillis": .int32(milliseconds)],
                ]
            ], database: "admin")
        _ = try await self.primary()
    }

    private var logTail: String {
        self.members.map { "--- port \($0.port)\n" + $0.log.split(separator: "\n").suffix(10).joined(separator: "\n") }
            .joined(separator: "\n")
    }
}
