import Foundation

/// A library that programs are to be started with, under a path that LD_PRELOAD takes: that splits its value at spaces
/// and colons (ld.so(8)), and the path of a checkout may hold either.
public final class PreloadedLibrary: Sendable {
    private let folder: TemporaryDirectory

    /// The value of LD_PRELOAD, for as long as this is in use.
    public var path: String { self.folder.url.appendingPathComponent("library.so").path }

    /// - Throws: `TestSupportError` where the library was not built.
    public init(_ library: String) throws {
        guard FileManager.default.fileExists(atPath: library) else {
            throw TestSupportError("there is no \(library); swift build --build-tests makes it")
        }
        self.folder = try TemporaryDirectory("preloaded")
        try FileManager.default.createSymbolicLink(atPath: self.path, withDestinationPath: library)
    }
}
