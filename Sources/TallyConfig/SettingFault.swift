/// What is wrong with one value, in words that continue a sentence: "does not begin with redis://".
///
/// For a key that may hold a secret, the words hold nothing of the value.
public struct SettingFault: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
