#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif
import GRDB

/// What is done to whole files.
enum WholeFile {
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    static func taken(_ path: String) -> EmbeddedDatabaseError {
        EmbeddedDatabaseError(.taken, "\(path) is there already, and is not overwritten; choose another name")
    }

    /// Creates an empty file for its owner alone.
    static func create(_ path: String) throws {
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw errno == EEXIST ? self.taken(path) : self.failure("create", path) }
        close(descriptor)
    }

    /// Copies a database, as it is at one moment, into an empty file.
    static func copy(_ source: String, into path: String) throws {
        let queue = try DatabaseQueue(path: source, configuration: .patient)
        defer { try? queue.close() }
        // An empty file is taken as the target (https://www.sqlite.org/lang_vacuum.html, section 2).
        try queue.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
    }

    /// Waits until the file is on the disk.
    static func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.failure("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw self.failure("write", path) }
    }

    /// Gives a file another name in the same folder, durably, and never takes one that is in use.
    static func name(_ old: String, _ new: String) throws {
        if link(old, new) == 0 {
            unlink(old)
        } else {
            if errno == EEXIST { throw self.taken(new) }
            // Some file systems know no links; then a name that was free a moment ago has to do.
            guard errno == EPERM || errno == ENOTSUP, rename(old, new) == 0 else {
                throw self.failure("give \(old) the name", new)
            }
        }
        try self.sync(self.folder(of: new))
    }

    /// What root makes in the service's folder must be the service's, who could not open it else.
    static func giveToOwner(of directory: String, _ path: String) throws {
        guard geteuid() == 0 else { return }
        var status = stat()
        guard stat(directory, &status) == 0, chown(path, status.st_uid, status.st_gid) == 0 else {
            throw self.failure("change the owner of", path)
        }
    }

    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    private static func failure(_ attempt: String, _ path: String) -> EmbeddedDatabaseError {
        let code = errno
        return EmbeddedDatabaseError(
            code == ENOSPC || code == EDQUOT ? .diskFull : .notWritable,
            "cannot \(attempt) \(path): \(String(cString: strerror(code)))")
    }
}
