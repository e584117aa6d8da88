import TallyTestSupport
import Testing

/// Tests of the whole program against real servers. One after the other: each starts several processes, and what they
/// show must not depend on how many cores they share.
@Suite(.serialized, .serverLogs) enum EndToEnd {}
