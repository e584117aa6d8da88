/// Reads one key after the other from the sources, and gathers what is wrong instead of stopping at it.
struct SettingReader {
    private let sources: SettingSources
    private(set) var faults: [SettingsError.Fault]
    private(set) var effective: [EffectiveSetting] = []

    init(sources: SettingSources, faults: [SettingsError.Fault]) {
        self.sources = sources
        self.faults = faults
    }

    /// Reads a key that has a default value. Where what is given is wrong, that is noted and the default returned, so
    /// that reading goes on; the caller looks at `faults` in the end.
    mutating func required<Value>(
        _ key: SettingKey, _ parse: (String) throws(SettingFault) -> Value
    ) -> Value {
        guard case .value(let standard) = key.details.standard else {
            preconditionFailure("\(key.name) has no default value, so it must be read as optional")
        }
        let found = self.sources.find(key) ?? .init(text: standard, origin: .standard)
        guard let text = found.text else {
            self.note(key, found.origin, "is empty")
            return Self.parseDefault(key, standard, parse)
        }
        guard let value = self.parse(key, text, found.origin, parse) else {
            return Self.parseDefault(key, standard, parse)
        }
        self.effective.append(.init(key: key, shown: key.details.holdsSecret ? "***" : text, origin: found.origin))
        return value
    }

    /// Reads a key that is unset by default.
    /// - Parameter show: the value without its secrets.
    mutating func optional<Value>(
        _ key: SettingKey, show: (Value) -> String, _ parse: (String) throws(SettingFault) -> Value
    ) -> Value? {
        guard let found = self.sources.find(key), let text = found.text else {
            self.effective.append(.init(key: key, shown: nil, origin: self.sources.find(key)?.origin ?? .standard))
            return nil
        }
        guard let value = self.parse(key, text, found.origin, parse) else { return nil }
        self.effective.append(.init(key: key, shown: show(value), origin: found.origin))
        return value
    }

    /// Refuses one of two settings that mean nothing without each other. Both must have been read.
    mutating func requireTogether(_ first: SettingKey, _ second: SettingKey) {
        let given = self.effective.filter { ($0.key == first || $0.key == second) && $0.shown != nil }
        // A value that could not be read is at fault already.
        guard given.count == 1, !self.faults.contains(where: { $0.key == first || $0.key == second }) else { return }
        let missing = given[0].key == first ? second : first
        self.note(given[0].key, given[0].origin, "is set without \(missing.name); set both, or neither")
    }

    private mutating func parse<Value>(
        _ key: SettingKey, _ text: String, _ origin: SettingOrigin, _ parse: (String) throws(SettingFault) -> Value
    ) -> Value? {
        // No setting has a use for them, and one that came along (a line break from a secrets file) is hard to see.
        if text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            self.note(key, origin, "holds a line break or another control character; remove it")
            return nil
        }
        // A URL under another key is a slip, and it may carry a password: it must not be shown, so no parser sees it.
        if !key.details.holdsSecret, text.contains("://") {
            self.note(key, origin, "holds a URL, which this key does not take; is it under the wrong key?")
            return nil
        }
        do { return try parse(text) } catch {
            self.note(key, origin, error.description)
            return nil
        }
    }

    private mutating func note(_ key: SettingKey, _ origin: SettingOrigin, _ what: String) {
        self.faults.append(
            .init(key: key, place: "\(key.name) (\(origin))", what: what, allowed: key.details.allowed))
    }

    private static func parseDefault<Value>(
        _ key: SettingKey, _ standard: String, _ parse: (String) throws(SettingFault) -> Value
    ) -> Value {
        do { return try parse(standard) } catch { preconditionFailure("the default of \(key.name) \(error)") }
    }
}
