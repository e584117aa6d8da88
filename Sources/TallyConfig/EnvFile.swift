#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Which `.env` file is read.
public enum EnvFile: Sendable, Equatable {
    /// The one that was named; it is an error where it is missing.
    case named(path: String)
    /// `.env` in a folder, `.` being the working folder; it may be missing.
    case inFolder(String)

    public static let inWorkingFolder = EnvFile.inFolder(".")

    /// The largest file that is read, in bytes; a larger one is an error, since it can hardly be meant.
    public static let maximumBytes = 1 << 20

    /// How the file is called in messages: in the working folder plainly `.env`.
    public var path: String {
        switch self {
        case .named(let path): path
        case .inFolder("."): ".env"
        case .inFolder(let folder): folder.hasSuffix("/") ? folder + ".env" : folder + "/.env"
        }
    }

    /// The whole file; nil where it may be missing and is.
    /// - Throws: `SettingFault`.
    func contents() throws(SettingFault) -> [UInt8]? {
        // Plain POSIX calls: Foundation would be a large dependency for one read, and would hide errno's text.
        let descriptor = open(self.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT, case .inFolder = self { return nil }
            throw Self.unreadable()
        }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.unreadable() }
            guard count > 0 else { return contents }
            contents += chunk[..<count]
            guard contents.count <= Self.maximumBytes else {
                throw SettingFault("is larger than \(Self.maximumBytes) bytes; is it the right file?")
            }
        }
    }

    private static func unreadable() -> SettingFault {
        SettingFault("cannot be read: \(String(cString: strerror(errno))); check the path and its permissions")
    }
}
