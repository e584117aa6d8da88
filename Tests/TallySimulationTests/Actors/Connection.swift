/// What a lane sends to Redis.
enum RedisRequest {
    case loadScripts
    case hello
    /// BGREWRITEAOF, answered when it is done.
    case rewrite
    case track([Request], lane: UInt64, number: Int64, epoch: UInt64)
}

enum RedisReply {
    case scriptsLoaded
    case epoch(UInt64, isRewritten: Bool)
    case helloRefused
    case rewritten(Bool)
    case verdicts(UInt64)
    case error(String)
}

/// A connection between a lane and Redis. Both directions keep their order, and take any time. Where it breaks, what was
/// under way is lost; but what was sent may still be carried out later, when nobody waits for the answer any more.
final class Connection {
    /// That of the Redis at its other end.
    let generation: Int
    var requests: [RedisRequest] = []
    var replies: [RedisReply] = []

    init(generation: Int) { self.generation = generation }
}
