#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What the C driver counts for itself and shows to its tool mongoc-stat, in shared memory that it makes as soon as it
/// is loaded, whatever the program is going to do (mongoc-counters.c of libmongoc).
public enum DriverStatistics {
    /// Takes the shared memory's name away, so that it ends with this process. A process that is killed would leave it
    /// in /dev/shm until the machine is started again, and a later process of the same number would find it in its way
    /// and complain on standard error.
    public static func forget() { _ = shm_unlink("/mongoc-\(getpid())") }
}
