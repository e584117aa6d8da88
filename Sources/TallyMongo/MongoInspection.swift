import TallyCore

/// What a MongoDB says of itself, as far as the promise of a count depends on it.
public struct MongoInspection: Sendable, Equatable {
    /// `6.0.5`.
    public var version: String
    /// Nil for a single server that is no replica set.
    public var replicaSet: String?
    /// Members that hold data and may vote for a primary, arbiters not counted.
    public var members: Int
    /// How far MongoDB's clock is ahead of this machine's, in seconds.
    public var clockAheadSeconds: Double
    /// Why a write was not confirmed by a majority of the members; nil where it was.
    public var majorityFault: String?

    public init(
        version: String, replicaSet: String?, members: Int, clockAheadSeconds: Double, majorityFault: String?
    ) {
        self.version = version
        self.replicaSet = replicaSet
        self.members = members
        self.clockAheadSeconds = clockAheadSeconds
        self.majorityFault = majorityFault
    }
}

extension MongoStore {
    /// Asks MongoDB how it is set up, and writes one small record, `{_id: "check"}` in `tally.state`, to see whether a
    /// majority confirms it.
    /// - Parameter clock: this machine's, in seconds since 1970.
    /// - Throws: `StoreError`, where it cannot be reached.
    public func inspect(clock: @escaping @Sendable () -> Double) async throws -> MongoInspection {
        try await self.driver.run { connection throws(MongoError) in
            let attempted = "ask how it is set up"
            let before = clock()
            let hello = try connection.command(BSONWriter.document { $0.int32("hello", 1) }, attempted: attempted)
            let after = clock()
            let build = try connection.command(BSONWriter.document { $0.int32("buildInfo", 1) }, attempted: attempted)
            var inspection = MongoInspection(
                version: build.text("version") ?? "unknown", replicaSet: hello.text("setName"),
                members: max(1, hello.count("hosts") + hello.count("passives")), clockAheadSeconds: 0,
                majorityFault: nil)
            if case .date(let milliseconds) = try? hello.value("localTime") {
                inspection.clockAheadSeconds = Double(milliseconds) / 1000 - (before + after) / 2
            }
            do throws(MongoError) {
                _ = try connection.update(Self.stateCollection, attempted: "confirm a write with a majority") {
                    $0.document("q") { $0.string("_id", "check") }
                    $0.document("u") { $0.document("$currentDate") { $0.bool("at", true) } }
                    $0.bool("upsert", true)
                }
            } catch {
                inspection.majorityFault = "\(error.message) (code \(error.code))"
            }
            return inspection
        }
    }
}

extension BSONDocument {
    fileprivate func text(_ key: String) -> String? {
        if case .string(let text) = try? self.value(key) { text } else { nil }
    }

    /// The number of elements of an array; 0 where there is none.
    fileprivate func count(_ key: String) -> Int {
        guard case .array(let array) = try? self.value(key) else { return 0 }
        return (try? array.elements().count) ?? 0
    }
}
