/// `docs/configuration.md`, made from the table of keys.
public enum SettingsDocument {
    /// The whole document.
    public static func render() -> String {
        var text = """
            # Configuration

            A flag goes over the environment, the environment over the file `.env` in the working folder (`--env-file` names another one), that over the default. `tally config` shows what holds and where each value comes from, with secrets hidden. A bad value stops the start, and every bad value is named at once.

            Each key is a flag, too: `REDIS_URL` is `--redis-url`. An empty value is as if it were not there, unless the key says otherwise.

            | Key | Default | |
            | --- | --- | --- |

            """
        for key in SettingKey.all {
            text +=
                "| [`\(key.name)`](#\(Self.anchor(key))) | \(Self.standard(key)) | \(Self.cell(key.details.meaning)) |\n"
        }
        for key in SettingKey.all {
            let details = key.details
            text += "\n## \(key.name)\n\n\(details.meaning).\n\n- Allowed: \(details.allowed)."
            if let unit = details.unit { text += " Counted in \(unit)." }
            text += "\n- Default: \(Self.standard(key)).\n- Example: `\(key.flag) \(details.example)`\n"
            if details.holdsSecret {
                text += "- Its password is never shown: not in logs, not in errors, not by `tally config`.\n"
            }
            if details.takesEmpty { text += "- An empty value is a value here.\n" }
        }
        return text
    }

    private static func anchor(_ key: SettingKey) -> String { key.name.lowercased() }

    private static func standard(_ key: SettingKey) -> String {
        switch key.details.standard {
        case .value(""): "empty"
        case .value(let text): "`\(text)`"
        case .unset(let meaning): "unset: \(meaning)"
        }
    }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
