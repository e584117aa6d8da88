#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The system's clock.
public enum WallClock {
    /// Whole seconds since 1970-01-01T00:00Z.
    @Sendable public static func secondsSince1970() -> Int64 { Int64(time(nil)) }
}
