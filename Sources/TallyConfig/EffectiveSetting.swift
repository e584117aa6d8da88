/// A key with the value that holds and where it came from, for `tally config`.
public struct EffectiveSetting: Sendable, Equatable {
    public let key: SettingKey
    /// The value with its secrets redacted; nil where the key is unset.
    public let shown: String?
    public let origin: SettingOrigin

    public init(key: SettingKey, shown: String?, origin: SettingOrigin) {
        self.key = key
        self.shown = shown
        self.origin = origin
    }
}
