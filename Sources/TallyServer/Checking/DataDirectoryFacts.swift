import TallySQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What can be seen of the folder of the embedded files.
struct DataDirectoryFacts: Equatable {
    struct OpenFile: Equatable {
        let path: String
        let isWritable: Bool
        /// `644`.
        let mode: String
    }

    let path: String
    let freeBytes: Int64
    /// The folder and the files in it that other users may read or change.
    let openToOthers: [OpenFile]

    /// Looks at the folder; at what is above it where it is not there yet. Nil where nothing can be seen.
    init?(_ path: String) {
        var existing = path
        var space = statvfs()
        while statvfs(existing, &space) != 0 {
            guard existing != "/", existing != "." else { return nil }
            guard let slash = existing.lastIndex(of: "/") else {
                existing = "."
                continue
            }
            existing = slash == existing.startIndex ? "/" : String(existing[..<slash])
        }
        self.path = path
        self.freeBytes = Int64(space.f_bavail) * Int64(space.f_frsize)
        // A folder that others may not enter keeps them from its files, too.
        guard let folder = FileMode.of(path), folder & 0o011 != 0 else {
            self.openToOthers = []
            return
        }
        self.openToOthers =
            [Self.open(path, bits: 0o022)].compactMap(\.self)
            + ["", "-wal", "-shm"].compactMap { Self.open("\(path)/\(EmbeddedDatabase.fileName)\($0)", bits: 0o066) }
    }

    /// Nil where there is no such file, or others have none of these permissions on it.
    private static func open(_ path: String, bits: UInt32) -> OpenFile? {
        guard let mode = FileMode.of(path), mode & bits != 0 else { return nil }
        return OpenFile(path: path, isWritable: mode & 0o022 != 0, mode: Octal.text(mode))
    }
}

/// The permission bits of a file.
enum FileMode {
    /// Nil where there is none.
    static func of(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt32(status.st_mode) & 0o7777 : nil
    }
}
