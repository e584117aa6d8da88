import TallyTestSupport
import Testing

/// Attacks on the promise "an acknowledged count is kept, once", each with real servers. One after the other, since
/// each starts several processes. How much of each is made, `Torture` says.
@Suite(.serialized, .serverLogs) enum Attacks {}
