#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Moments as text, and the clock.
public enum Timestamp {
    /// Now, in whole seconds since 1970.
    ///
    /// Not `time(2)`: on Linux that lags behind the clock by up to a timer tick, and a job that is due on the minute
    /// would find the minute before.
    @Sendable public static func now() -> Int64 { Int64(self.clock().tv_sec) }

    /// Now, in seconds since 1970, with their fraction.
    @Sendable public static func precisely() -> Double {
        let now = self.clock()
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    private static func clock() -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return now
    }

    /// `2026-11-22T10:45:00Z` (RFC 3339).
    public static func iso8601(_ secondsSince1970: Int64) -> String {
        let parts = Self.utc(secondsSince1970)
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    /// Reads what `iso8601` writes; nil for any other text, and for a moment that does not exist.
    public static func parse(iso8601 text: String) -> Int64? {
        let digits = text.utf8.split(whereSeparator: { !(0x30...0x39).contains($0) }).map {
            Int32(String($0) ?? "") ?? 0
        }
        guard digits.count == 6 else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (digits[0] - 1900, digits[1] - 1, digits[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (digits[3], digits[4], digits[5])
        let moment = Int64(timegm(&parts))
        // timegm takes the 31st of February for the 3rd of March; what is written back tells.
        return self.iso8601(moment) == text ? moment : nil
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    public static func httpDate(_ secondsSince1970: Int64) -> String {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = Self.utc(secondsSince1970)
        return
            "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }

    private static func utc(_ secondsSince1970: Int64) -> tm {
        var moment = time_t(secondsSince1970)
        var parts = tm()
        gmtime_r(&moment, &parts)
        return parts
    }

    private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
