#if canImport(Glibc)
import Glibc
#endif

/// Who goes first where there are fewer processors than threads that want one: the threads that take counts.
public enum BackgroundPriority {
    /// How much weight the calling thread gives up (nice(2)): at 19 it has a seventieth of that of
    /// a thread that takes counts (sched(7)).
    static let nice: Int32 = 19

    /// Lowers the calling thread's priority, for good. Where the system has none for a thread alone (only Linux has), or
    /// will not lower it, the thread keeps its own.
    public static func takeForThisThread() {
        #if canImport(Glibc)
        // On Linux 0 means the calling thread, not its process (setpriority(2), "C library/kernel differences").
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, self.nice)
        #endif
    }
}
