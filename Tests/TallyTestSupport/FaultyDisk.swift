public import Foundation

/// A disk and a wall clock that a test can break, for programs that are started with `environment`. What the preloaded
/// library does stands in `Tests/FaultyDisk/disk.c` and `clock.c`.
public final class FaultyDisk: Sendable {
    public enum Kind: Sendable {
        /// Keeps what was synced, until it is told to fail.
        case faulty
        /// Says that it has synced, and has not; to see that a test would notice.
        case forgetsSyncs
    }

    /// What lies below it is on the faulty disk.
    public let folder: URL
    private let own: TemporaryDirectory
    private let kind: Kind

    /// - Parameter folder: need not be there yet.
    /// - Throws: `TestSupportError` where the library was not built.
    public init(_ kind: Kind = .faulty, below folder: URL) throws {
        self.library = try PreloadedLibrary(TallyProcess.builtFile("libFaultyDisk.so"))
        self.own = try TemporaryDirectory("faulty-disk")
        // The kernel names files without symbolic links. The folder itself may be missing, so its parent is asked.
        self.folder = folder.deletingLastPathComponent().resolvingSymlinksInPath()
            .appendingPathComponent(folder.lastPathComponent)
        self.kind = kind
        try self.write(Int64.max, to: self.space)
        try self.write(0, to: self.clock)
    }

    private let library: PreloadedLibrary
    private var shadow: URL { self.own.url.appendingPathComponent("shadow") }
    private var space: URL { self.own.url.appendingPathComponent("space") }
    private var clock: URL { self.own.url.appendingPathComponent("clock") }

    /// What a program must be started with.
    public var environment: [String: String] {
        var environment = [
            "LD_PRELOAD": self.library.path, "FAULTY_DISK_FOLDER": self.folder.path,
            "FAULTY_DISK_SHADOW": self.shadow.path,
            "FAULTY_DISK_SPACE": self.space.path, "FAULTY_CLOCK": self.clock.path,
        ]
        if self.kind == .forgetsSyncs { environment["FAULTY_DISK_FORGETS"] = "1" }
        return environment
    }

    /// Leaves in the folder what was synced, and nothing else. All programs that use it must have been killed.
    public func losePower() throws {
        let files = FileManager.default
        let durable = self.shadow.appendingPathComponent("tree")
        if files.fileExists(atPath: self.folder.path) { try files.removeItem(at: self.folder) }
        if files.fileExists(atPath: durable.path) { try files.copyItem(at: durable, to: self.folder) }
        // The next program finds everything synced that it finds at all.
        if files.fileExists(atPath: self.shadow.path) { try files.removeItem(at: self.shadow) }
    }

    /// How many bytes the files in the folder may grow from now on.
    public func setSpace(bytes: Int64) throws { try self.write(bytes, to: self.space) }

    /// How far the wall clock is set forward, or back.
    public func setClock(secondsAhead: Int64) throws { try self.write(secondsAhead, to: self.clock) }

    /// In place: the file is mapped.
    private func write(_ number: Int64, to file: URL) throws {
        if !FileManager.default.fileExists(atPath: file.path) {
            try Data().write(to: file)
        }
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: withUnsafeBytes(of: number) { Data($0) })
        try handle.close()
    }
}
