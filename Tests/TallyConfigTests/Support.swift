// Foundation for folders and files, which the standard library has none of.
import Foundation
import TallyConfig

/// Loads a configuration, with the text of a `.env` file in a folder of its own.
func load(
    flags: [String: String] = [:], environment: [String: String] = [:], file: String? = nil
) throws -> Settings {
    try withFolder { folder in
        if let file { try write(file, to: folder + "/.env") }
        return try Settings.load(flags: flags, environment: environment, envFile: .inFolder(folder))
    }
}

/// Makes a folder that is gone when `body` returns.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tally-config-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}

func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
