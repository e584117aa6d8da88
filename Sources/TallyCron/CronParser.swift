/// Reads the text of a schedule. The notation is described at `CronSchedule`.
struct CronParser {
    /// The sets of values, one for each field.
    struct Result {
        var sets: [CronField: CronSet] = [:]
        /// The fields that do not start with `*`.
        var restricted: Set<CronField> = []
    }

    private static let shorthands: [(name: String, expression: String)] = [
        ("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"),
    ]

    private let scalars: [Unicode.Scalar]

    private init(_ text: some StringProtocol) { self.scalars = Array(text.unicodeScalars) }

    static func parse(_ text: String) throws(CronError) -> Result {
        try CronParser(text).parse()
    }

    private func parse() throws(CronError) -> Result {
        let words = self.words()
        guard let first = words.first, let last = words.last else {
            throw self.error(
                nil, 0..<self.scalars.count, "the schedule is empty; write five fields, such as */5 * * * *, or @hourly"
            )
        }
        let whole = first.lowerBound..<last.upperBound
        if self.scalars[first.lowerBound] == "@" {
            return try self.shorthand(whole)
        }
        guard words.count == 5 || words.count == 6 else {
            throw self.error(
                nil, whole,
                "the schedule has \(words.count) field\(words.count == 1 ? "" : "s"); write five (minute, hour, "
                    + "day of month, month, day of week), or six with the second first")
        }

        var result = Result()
        result.sets[.second] = CronSet(bits: 1)
        let fields = CronField.allCases.suffix(words.count)
        for (field, word) in zip(fields, words) {
            result.sets[field] = try self.set(field, word)
            if self.scalars[word.lowerBound] != "*" { result.restricted.insert(field) }
        }
        try self.refuseIfNever(result, dayWord: words[words.count - 3], monthWord: words[words.count - 2])
        return result
    }

    private func shorthand(_ whole: Range<Int>) throws(CronError) -> Result {
        let name = self.text(whole).lowercased()
        if let known = Self.shorthands.first(where: { $0.name == name }) {
            return try Self.parse(known.expression)
        }
        let names = Self.shorthands.map(\.name).joined(separator: ", ")
        if name == "@reboot" {
            throw self.error(
                nil, whole, "\"@reboot\" names no time at which to run; write \(names), or five fields")
        }
        throw self.error(nil, whole, "\"\(self.text(whole))\" is not a known schedule; write \(names), or five fields")
    }

    /// A date that no year has would be waited for without end.
    private func refuseIfNever(_ result: Result, dayWord: Range<Int>, monthWord: Range<Int>) throws(CronError) {
        // If either day field may match, the day of the week always comes; and over the years each date of the
        // calendar falls on each day of the week, so that only the date itself can be impossible.
        if result.restricted.isSuperset(of: [.dayOfMonth, .dayOfWeek]) { return }
        guard let days = result.sets[.dayOfMonth], let months = result.sets[.month], let day = days.first(from: 1)
        else { return }
        let leapYear: Int64 = 2000
        let occurs = CronField.month.all.contains {
            months.contains($0) && day <= CivilDate.lengthOfMonth($0, year: leapYear)
        }
        if !occurs {
            throw self.error(
                .dayOfMonth, dayWord,
                "day of month \"\(self.text(dayWord))\" never comes in month \"\(self.text(monthWord))\"; "
                    + "choose another day or month")
        }
    }

    // MARK: A field

    private func set(_ field: CronField, _ word: Range<Int>) throws(CronError) -> CronSet {
        var set = CronSet()
        for item in self.split(word, at: ",") {
            guard !item.isEmpty else {
                throw self.error(
                    field, word, "\(field.rawValue) \"\(self.text(word))\" has an empty entry; remove a comma")
            }
            let (values, step) = try self.item(field, item)
            for value in stride(from: values.lowerBound, through: values.upperBound, by: step) {
                set.insert(field == .dayOfWeek && value == 7 ? 0 : value)
            }
        }
        return set
    }

    /// Reads `*`, `a` or `a-b`, and `/step` after the first and the last.
    private func item(_ field: CronField, _ item: Range<Int>) throws(CronError) -> (ClosedRange<Int>, step: Int) {
        let parts = self.split(item, at: "/")
        let base = parts[0]
        let isStar = base.count == 1 && self.scalars[base.lowerBound] == "*"
        let ends = self.split(base, at: "-")
        guard parts.count <= 2, ends.count <= 2 else { throw self.notAValue(field, item) }

        let values: ClosedRange<Int>
        if isStar {
            values = field.all
        } else if ends.count == 1 {
            let value = try self.value(field, base, in: item)
            guard parts.count == 1 else {
                let range = self.text(base) + "-\(field.all.upperBound)/" + self.text(parts[1])
                throw self.error(
                    field, item, "\(field.rawValue) \"\(self.text(item))\" has a step but no range; write \(range)")
            }
            values = value...value
        } else {
            values = try self.range(field, ends[0], ends[1], in: item)
        }
        guard parts.count == 2 else { return (values, 1) }

        let steps = 1...field.all.count
        guard let step = self.number(parts[1]), steps.contains(step) else {
            throw self.error(
                field, parts[1].isEmpty ? item : parts[1],
                "\(field.rawValue) step \"\(self.text(parts[1]))\" is not within \(Self.written(steps))")
        }
        return (values, step)
    }

    private func range(
        _ field: CronField, _ from: Range<Int>, _ to: Range<Int>, in item: Range<Int>
    ) throws(CronError) -> ClosedRange<Int> {
        let lower = try self.value(field, from, in: item)
        var upper = try self.value(field, to, in: item)
        // FRI-SUN can only mean the Sunday that follows.
        if field == .dayOfWeek, upper < lower, self.text(to).uppercased() == "SUN" { upper = 7 }
        guard lower <= upper else {
            let allowed = field.all
            let first = Self.written(min(lower, allowed.upperBound)...allowed.upperBound)
            // Sunday written as 7 is at the start of the week already.
            let suggestion =
                lower > allowed.upperBound
                ? Self.written(0...upper) : first + "," + Self.written(allowed.lowerBound...upper)
            throw self.error(
                field, item, "\(field.rawValue) \"\(self.text(item))\" runs backwards; write \(suggestion)")
        }
        return lower...upper
    }

    /// Reads a number or a name.
    private func value(_ field: CronField, _ range: Range<Int>, in item: Range<Int>) throws(CronError) -> Int {
        if let number = self.number(range) {
            guard field.allowed.contains(number) else {
                throw self.error(
                    field, range,
                    "\(field.rawValue) \"\(self.text(range))\" is not within "
                        + Self.written(field.allowed))
            }
            return number
        }
        if let names = field.names, let index = names.texts.firstIndex(of: self.text(range).uppercased()) {
            return names.first + index
        }
        throw self.notAValue(field, range.isEmpty ? item : range)
    }

    private func notAValue(_ field: CronField, _ range: Range<Int>) -> CronError {
        let names = field.names.map { ", \($0.texts[0])-\($0.texts[$0.texts.count - 1])" } ?? ""
        return self.error(
            field, range,
            "\(field.rawValue) \"\(self.text(range))\" is not understood; write *, or numbers within "
                + "\(Self.written(field.allowed))\(names), with , - and / between them")
    }

    // MARK: Text

    /// Reads digits. More of them than any field needs give a number that none allows.
    private func number(_ range: Range<Int>) -> Int? {
        guard !range.isEmpty else { return nil }
        var value = 0
        for scalar in self.scalars[range] {
            guard scalar >= "0", scalar <= "9" else { return nil }
            value = min(value * 10 + Int(scalar.value - 0x30), 1_000_000)
        }
        return value
    }

    private func words() -> [Range<Int>] {
        self.ranges(of: 0..<self.scalars.count) { $0 == " " || $0 == "\t" }.filter { !$0.isEmpty }
    }

    private func split(_ range: Range<Int>, at separator: Unicode.Scalar) -> [Range<Int>] {
        self.ranges(of: range) { $0 == separator }
    }

    /// What lies between the separators; one range more than there are separators.
    private func ranges(of range: Range<Int>, isSeparator: (Unicode.Scalar) -> Bool) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = range.lowerBound
        for index in range where isSeparator(self.scalars[index]) {
            result.append(start..<index)
            start = index + 1
        }
        return result + [start..<range.upperBound]
    }

    private func text(_ range: Range<Int>) -> String {
        // One scalar for one scalar, so that the carets stay below what they point at.
        var result = String.UnicodeScalarView()
        for scalar in self.scalars[range] {
            let isPrintable =
                scalar.isASCII ? scalar.value >= 0x20 && scalar.value < 0x7F : scalar.properties.isAlphabetic
            result.append(isPrintable ? scalar : scalar == "\t" ? " " : "\u{FFFD}")
        }
        return String(result)
    }

    private static func written(_ range: ClosedRange<Int>) -> String {
        range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }

    private func error(_ field: CronField?, _ columns: Range<Int>, _ problem: String) -> CronError {
        CronError(
            field: field, offending: self.text(columns), problem: problem,
            expression: self.text(0..<self.scalars.count), columns: columns)
    }
}
