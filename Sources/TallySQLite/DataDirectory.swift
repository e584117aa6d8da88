#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Makes the place for the embedded file, with permissions that keep others on the machine out.
enum DataDirectory {
    /// Creates the directory and those above it where they are missing, each for its owner alone.
    static func prepare(_ path: String) throws(EmbeddedDatabaseError) {
        guard !path.isEmpty else {
            throw EmbeddedDatabaseError(.notWritable, "the data directory's path is empty; set DATA_DIR")
        }
        try self.create(path)
        guard access(path, W_OK | X_OK) == 0 else { throw self.failure("write to", path, errno) }
    }

    /// Creates the file with mode 0600 before SQLite would with 0644; SQLite gives its companions the same mode.
    ///
    /// An existing file is not so much as opened: closing it again would release the locks that another connection of
    /// this process holds on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    static func createPrivateFile(_ path: String) throws(EmbeddedDatabaseError) {
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            close(descriptor)
        } else if errno != EEXIST {
            throw self.failure("create", path, errno)
        }
    }

    static func isFile(_ path: String) -> Bool { self.mode(path).map { $0 & S_IFMT == S_IFREG } ?? false }

    private static func create(_ path: String) throws(EmbeddedDatabaseError) {
        if self.isDirectory(path) { return }
        if let slash = path.dropLast().lastIndex(of: "/"), slash != path.startIndex {
            try self.create(String(path[..<slash]))
        }
        guard mkdir(path, 0o700) != 0 else { return }
        let code = errno
        // Another process may have made it in between.
        if code == EEXIST, self.isDirectory(path) { return }
        throw self.failure("create the directory", path, code == EEXIST ? ENOTDIR : code)
    }

    private static func isDirectory(_ path: String) -> Bool { self.mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false }

    private static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode : nil
    }

    private static func failure(_ attempt: String, _ path: String, _ code: Int32) -> EmbeddedDatabaseError {
        let reason = String(cString: strerror(code))
        if code == ENOSPC || code == EDQUOT {
            return EmbeddedDatabaseError(.diskFull, "cannot \(attempt) \(path): \(reason); free some space")
        }
        return EmbeddedDatabaseError(
            .notWritable,
            "cannot \(attempt) \(path): \(reason); let DATA_DIR name a directory that tally's user may write to")
    }
}
