import Foundation

/// How much of an attack is made: a short selection by default, all of it with TALLY_TORTURE=1 (`make torture`).
public enum Torture {
    public static let isFull = ProcessInfo.processInfo.environment["TALLY_TORTURE"] == "1"

    /// How often something is tried.
    public static func rounds(full: Int, short: Int) -> Int { self.isFull ? full : short }

    /// Lets other tests have the thread now and then: what tries a thousand things in a row would otherwise keep it, and
    /// what waits for a server beside it would wait for its thread instead.
    public static func giveWay(run: Int) async {
        if run % 16 == 0 { await Task.yield() }
    }

    /// Where chance begins: TALLY_SEED, or drawn and printed, so that a run can be repeated.
    public static let seed: UInt64 = {
        if let text = ProcessInfo.processInfo.environment["TALLY_SEED"], let seed = UInt64(text) { return seed }
        let seed = UInt64.random(in: 1...UInt64(Int64.max))
        print("TALLY_SEED=\(seed)")
        return seed
    }()
}
