import TallyCore

extension Settings {
    /// The effective values as a table for people: key, value, source; the warnings below. Ends with a line break.
    public func renderTable() -> String {
        var rows = [["KEY", "VALUE", "FROM"]]
        for setting in self.effective {
            let value: String
            switch (setting.shown, setting.key.details.standard) {
            case (let shown?, _): value = shown.isEmpty ? "(none)" : shown
            case (nil, .unset(let meaning)): value = "(unset: \(meaning))"
            case (nil, .value): value = "(unset)"
            }
            rows.append([setting.key.name, value, setting.origin.description])
        }
        let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
        var table = ""
        for row in rows {
            for (cell, width) in zip(row, widths) {
                table += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            table += row[2] + "\n"
        }
        return self.warnings.reduce(into: table) { $0 += "warning: \($1)\n" }
    }

    /// The effective values for scripts: `{"settings":[{"key":…,"value":…,"from":…}],"warnings":[…]}`, `value` being a
    /// string or null. Ends with a line break.
    public func renderJSON() -> String {
        let settings = self.effective.map { setting in
            let value = setting.shown.map(JSONText.string) ?? "null"
            let (key, origin) = (JSONText.string(setting.key.name), JSONText.string(setting.origin.description))
            return "{\"key\":\(key),\"value\":\(value),\"from\":\(origin)}"
        }
        let warnings = self.warnings.map(JSONText.string)
        return """
            {"settings":[\(settings.joined(separator: ","))],"warnings":[\(warnings.joined(separator: ","))]}

            """
    }
}
