import Testing

/// Attacks on the promise "an acknowledged count is kept, once", each with real servers: on the service, its disk, its
/// clock, and its ways to others. One after the other, since each starts several processes. How much of each is made,
/// `Torture` says.
@Suite(.serialized) enum Attacks {}

/// The same on Redis and MongoDB. These run beside the others, since much of an attack is waiting.
@Suite(.serialized) enum ServerAttacks {}
