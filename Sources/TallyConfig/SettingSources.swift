/// Where values are looked for: flags over the environment over the `.env` file.
///
/// The precedence is written here rather than taken from swift-configuration: its environment provider looks names up
/// in whatever case they are written, does not tell an empty variable from a value, and knows neither a line of `.env`
/// nor which of two providers of one kind an answer came from, so that all of this would stand here all the same.
struct SettingSources {
    /// What a source says of a key.
    struct Found: Equatable {
        /// Nil where a flag takes a value away that the environment or the file has given.
        let text: String?
        let origin: SettingOrigin
    }

    /// By the names of keys.
    let flags: [String: String]
    let environment: [String: String]
    let envFilePath: String
    let envFileEntries: [DotEnv.Entry]

    /// What the first source that says something says; nil where none does.
    ///
    /// An empty value in the environment or in the file is as if it were not there, since that is how orchestrators
    /// pass on what is not set, unless the key takes empty values. An empty flag is meant: it unsets.
    func find(_ key: SettingKey) -> Found? {
        if let text = self.flags[key.name] {
            return Found(text: text.isEmpty && !key.details.takesEmpty ? nil : text, origin: .flag(key.flag))
        }
        if let text = self.environment[key.name], !text.isEmpty || key.details.takesEmpty {
            return Found(text: text, origin: .environment)
        }
        if let entry = self.envFileEntries.first(where: { $0.key == key.name }),
            !entry.value.isEmpty || key.details.takesEmpty
        {
            return Found(text: entry.value, origin: .envFile(path: self.envFilePath, line: entry.line))
        }
        return nil
    }
}
