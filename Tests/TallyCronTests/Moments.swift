// Foundation's calendar is the independent judge of the module's own.
import FoundationEssentials

/// Seconds since 1970 of a moment such as `2024-02-29 23:59:59`, in UTC.
func at(_ text: String) throws -> Int64 {
    let date = try Date(text.replacing(" ", with: "T") + "Z", strategy: .iso8601)
    return Int64(date.timeIntervalSince1970)
}

/// The moment as text, the reverse of `at(_:)`.
func written(_ secondsSince1970: Int64?) -> String? {
    guard let secondsSince1970 else { return nil }
    return Date(timeIntervalSince1970: Double(secondsSince1970)).formatted(.iso8601)
        .replacing("T", with: " ").replacing("Z", with: "")
}
