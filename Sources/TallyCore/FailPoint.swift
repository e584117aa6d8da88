#if DEBUG
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif
import Synchronization
#endif

/// Places on a count's way where a test lets the process die, each between two steps that belong together.
///
/// `TALLY_FAILPOINT=afterSeal:3` in the environment kills it with SIGKILL when it passes that place for the third time;
/// without a number, for the first. In debug builds only: in a release build nothing is done at these places.
public enum FailPoint: String, CaseIterable, Sendable {
    /// A lane is about to write a batch to Redis.
    case beforeSend
    /// It has handed the batch to the connection.
    case afterSend
    /// The buffer has answered, and the requests have not been.
    case beforeAnswer
    /// Redis has answered hello, perhaps with a new epoch, and nothing has come of it.
    case inHello
    /// The live batch is sealed, perhaps not durably.
    case afterSeal
    /// What is pending is durable, and the store has heard of nothing.
    case afterBarrier
    /// Some of a batch's documents are written.
    case midBulk
    /// The store has the batch, and the buffer does not know.
    case beforeAcknowledge
    /// The buffer has forgotten the batch.
    case afterAcknowledge
    /// `tally import` has brought a batch into the store, and others are to follow.
    case midImport

    #if DEBUG
    /// The process has come to this place.
    public static func reach(_ place: FailPoint) {
        guard let armed = Armed.only, armed.place == place else { return }
        if armed.passings.add(1, ordering: .relaxed).newValue == armed.deadlyPassing { kill(getpid(), SIGKILL) }
    }

    private final class Armed: Sendable {
        static let only: Armed? = getenv("TALLY_FAILPOINT").flatMap { Armed(String(cString: $0)) }

        let place: FailPoint
        let deadlyPassing: Int
        let passings = Atomic(0)

        private init(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard let place = FailPoint(rawValue: parts[0]), let passing = parts.count == 1 ? 1 : Int(parts[1]) else {
                let places = FailPoint.allCases.map(\.rawValue).joined(separator: ", ")
                fatalError("TALLY_FAILPOINT=\(text) names no place; write one of \(places), and perhaps :3 behind it")
            }
            (self.place, self.deadlyPassing) = (place, passing)
        }
    }
    #else
    @inlinable @inline(__always)
    public static func reach(_ place: FailPoint) {}
    #endif
}
