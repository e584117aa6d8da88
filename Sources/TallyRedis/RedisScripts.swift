/// The scripts that run in Redis, as they stand in `Scripts/`.
enum RedisScript: CaseIterable, Sendable {
    case hello, track, seal, acknowledge, lock, ledger

    /// The text to load: the shared part first, where the script needs it.
    var source: String {
        let shared = Self.text(PackageResources.seal_inc_lua)
        return switch self {
        case .hello: shared + Self.text(PackageResources.hello_lua)
        case .track: shared + Self.text(PackageResources.track_lua)
        case .seal: shared + Self.text(PackageResources.seal_lua)
        case .acknowledge: shared + Self.text(PackageResources.acknowledge_lua)
        case .lock: shared + Self.text(PackageResources.lock_lua)
        case .ledger: shared + Self.text(PackageResources.ledger_lua)
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
