import TallyAccess
import TallyCron

/// Turns the text of a setting into its value. Each throws a `SettingFault` that says what is wrong; what is allowed
/// stands in the key's details.
enum SettingParsers {
    static func host(_ text: String) throws(SettingFault) -> String {
        if text.contains("[") || text.contains("]") {
            throw SettingFault("\(shown(text)) has brackets; write an IPv6 address without them")
        }
        guard HostRules.isHost(Substring(text)) else {
            throw SettingFault("\(shown(text)) is neither an address nor a host name")
        }
        return text
    }

    static func wholeNumber(within range: ClosedRange<Int>) -> (String) throws(SettingFault) -> Int {
        { (text) throws(SettingFault) in
            guard let number = WholeNumber.parse(Substring(text)) else {
                // Digits alone that are no number are too many digits, or begin with a zero.
                throw SettingFault("\(shown(text)) is not a whole number, written in digits alone")
            }
            guard range.contains(number) else {
                throw SettingFault("\(shown(text)) is not within \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    /// A whole number and its unit: `90s`, `10m`, `1h`.
    static func duration(within range: ClosedRange<Duration>) -> (String) throws(SettingFault) -> Duration {
        { (text) throws(SettingFault) in
            let seconds: Int? =
                switch text.last {
                case "s": 1
                case "m": 60
                case "h": 3_600
                default: nil
                }
            guard let seconds, let number = WholeNumber.parse(text.dropLast()) else {
                throw SettingFault("\(shown(text)) is not a whole number with its unit: 90s, 10m or 1h")
            }
            let (total, overflow) = number.multipliedReportingOverflow(by: seconds)
            guard !overflow, range.contains(.seconds(total)) else {
                throw SettingFault("\(shown(text)) is shorter or longer than is allowed")
            }
            return .seconds(total)
        }
    }

    /// A key in Redis begins with the prefix in braces, hence none within.
    static func redisKeyPrefix(_ text: String) throws(SettingFault) -> String {
        guard text.utf8.count <= 64 else { throw SettingFault("\(shown(text)) is longer than 64 characters") }
        guard text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) }) else {
            throw SettingFault("\(shown(text)) holds a character that is not allowed")
        }
        return text
    }

    static func path(_ text: String) throws(SettingFault) -> String {
        if text == "~" || text.hasPrefix("~/") {
            throw SettingFault("\(shown(text)) begins with ~, which only a shell expands; write the whole path")
        }
        guard text.utf8.first != UInt8(ascii: " "), text.utf8.last != UInt8(ascii: " ") else {
            throw SettingFault("\(shown(text)) has a space at an end")
        }
        return text
    }

    static func schedule(_ text: String) throws(SettingFault) -> CronSchedule {
        do { return try CronSchedule(text) } catch { throw SettingFault(error.description) }
    }

    static func addresses(_ text: String) throws(SettingFault) -> AddressList {
        if text.isEmpty { return AddressList([]) }
        do { return try AddressList(parsing: text) } catch { throw SettingFault(error.description) }
    }

    /// One of an enumeration's names, in whatever case it is written.
    static func choice<Choice: CaseIterable & RawRepresentable<String>>(
        of type: Choice.Type
    ) -> (String) throws(SettingFault) -> Choice {
        { (text) throws(SettingFault) in
            guard let choice = Choice(rawValue: text.lowercased()) else {
                let near = Nearest.name(to: text.lowercased(), among: Choice.allCases.map(\.rawValue), within: 2)
                throw SettingFault("\(shown(text)) is unknown" + (near.map { "; did you mean \($0)?" } ?? ""))
            }
            return choice
        }
    }

    /// A value in quotes, on one line and not long, for an error text.
    private static func shown(_ text: String) -> String {
        let head = text.unicodeScalars.prefix(64).reduce(into: "") { $0 += $1.escaped(asASCII: false) }
        return "\"\(head)\(text.unicodeScalars.count > 64 ? "…" : "")\""
    }
}
