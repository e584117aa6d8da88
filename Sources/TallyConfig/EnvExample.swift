/// The file `.env.example`, made from the table of keys.
public enum EnvExample {
    /// The whole file. Every key is commented out, with its default, or with an example where it is unset by default.
    public static func render() -> String {
        var lines = comment(
            """
            The settings of tally. Copy this file to .env and remove the # before what you change. A flag (--port) \
            goes over the environment, the environment over .env, .env over the default. An empty value is as if it \
            were not there, unless its key says otherwise.
            """)
        lines += comment(
            "Values with # or quotes stand in single quotes (nothing in them is special) or in double quotes "
                + #"(\n \r \t \\ \" \$ are escapes). Variables are not expanded."#)
        for key in SettingKey.all {
            let details = key.details
            lines.append("")
            lines += comment(details.meaning + ".")
            lines += comment("Allowed: \(details.allowed).")
            let shown: String
            switch details.standard {
            case .value(let text):
                lines += comment("Default: \(text.isEmpty ? "empty" : text)\(details.unit.map { " \($0)" } ?? "")")
                shown = text
            case .unset(let meaning):
                lines += comment("Default: unset, which means \(meaning). For example:")
                shown = details.example
            }
            lines.append("#\(key.name)=\(shown)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Comment lines of at most 100 columns, broken at spaces.
    private static func comment(_ text: String) -> [String] {
        var lines: [String] = []
        var line = "#"
        for word in text.split(separator: " ") {
            if line.count + 1 + word.count > 100 {
                lines.append(line)
                line = "#"
            }
            line += " " + word
        }
        return lines + [line]
    }
}
