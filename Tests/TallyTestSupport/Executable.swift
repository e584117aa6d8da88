public import Foundation

/// Where programs lie.
public enum Executable {
    /// The path of a program: itself where it has a slash, else the first on the PATH (and in the folders where Debian
    /// keeps servers, which a user's PATH may lack). Nil where there is none.
    public static func find(_ name: String) -> String? {
        if name.contains("/") { return FileManager.default.isExecutableFile(atPath: name) ? name : nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders =
            path.split(separator: ":").map(String.init) + ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"]
        return folders.lazy.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The program that an environment variable names, else the first of `candidates` that exists.
    /// - Throws: `TestSupportError`, with `advice`, where there is none.
    static func find(variable: String, candidates: [String], advice: String) throws -> String {
        if let named = ProcessInfo.processInfo.environment[variable], !named.isEmpty {
            guard let path = self.find(named) else {
                throw TestSupportError("\(variable) names \(named), which is no program. \(advice)")
            }
            return path
        }
        for candidate in candidates {
            if let path = self.find(candidate) { return path }
        }
        throw TestSupportError("\(candidates[0]) was not found. \(advice)")
    }

    /// The repository's root, found from where this file lies.
    public static let repository: URL = {
        // Tests/TallyTestSupport/Executable.swift is three steps down.
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url
    }()

    /// The folder of the running test program, where the build puts the other executables too.
    static let buildFolder: URL = {
        #if os(Linux)
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        #else
        let own = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundlePath ?? CommandLine.arguments[0]
        #endif
        return URL(fileURLWithPath: own).deletingLastPathComponent()
    }()
}
