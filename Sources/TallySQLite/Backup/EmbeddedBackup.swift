#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif
import GRDB

/// Copies the embedded file while a service uses it.
///
/// A copy holds buffer and store as they were at one moment; `EmbeddedRestore` says what becomes of both when it is put
/// back.
public enum EmbeddedBackup {
    /// Writes a complete copy of the file in `directory` to `path`, in one reading transaction: counts go on meanwhile,
    /// and are not in the copy. It is compact, stands alone, is its owner's alone (0600), has been read again, and takes
    /// its name only when it is on the disk.
    /// - Throws: `EmbeddedDatabaseError`; also where something has that name already.
    public static func write(from directory: String, to path: String) throws -> CopySummary {
        let source = EmbeddedDatabase.path(in: directory)
        guard EmbeddedDatabase.exists(in: directory) else {
            throw EmbeddedDatabaseError(
                .missing,
                "there is no \(EmbeddedDatabase.fileName) in \(directory); let DATA_DIR name the folder that holds it")
        }
        guard !WholeFile.exists(path) else { throw WholeFile.taken(path) }
        let partial = "\(path).partial-\(getpid())"
        try WholeFile.create(partial)
        do {
            try EmbeddedDatabaseError.reporting("copying \(source) to \(path)") {
                try WholeFile.copy(source, into: partial)
            }
            let summary = try CopySummary(of: partial)
            try WholeFile.sync(partial)
            try WholeFile.name(partial, path)
            return summary
        } catch {
            unlink(partial)
            throw error
        }
    }
}
