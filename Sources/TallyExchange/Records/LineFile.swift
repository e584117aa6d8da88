#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Why a file cannot be imported.
public struct RecordFileError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        /// It is not there, or cannot be read.
        case unreadable
        /// What stands in it is not what an import takes.
        case malformed
    }

    public let code: Code
    /// What is wrong and what to do.
    public let description: String

    static func malformed(_ what: String) -> RecordFileError { RecordFileError(code: .malformed, description: what) }
}

/// Reads a file line by line, in pieces, so that its size does not matter. Blocks.
struct LineFile: ~Copyable {
    /// The longest line, in bytes: three names of 64 bytes, each of them escaped, fit many times.
    static let maximumLine = 65_536
    private static let piece = 262_144

    private let descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// Of the line given last, from 1.
    private(set) var number = 0

    init(_ path: String) throws(RecordFileError) {
        self.descriptor = try Self.opened(path)
        self.path = path
    }

    deinit { close(self.descriptor) }

    /// The next line without its line break, LF or CRLF; nil at the end.
    mutating func next() throws(RecordFileError) -> ArraySlice<UInt8>? {
        var searched = self.start
        while true {
            if let end = self.buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { self.start = end + 1 }
                return self.line(to: end)
            }
            searched = self.buffer.count
            guard searched - self.start <= Self.maximumLine else {
                throw .malformed("line \(self.number + 1) of \(self.path) is longer than \(Self.maximumLine) bytes")
            }
            if self.isAtEnd {
                guard self.start < searched else { return nil }
                defer { self.start = searched }
                return self.line(to: searched)
            }
            searched -= self.start
            try self.fill()
        }
    }

    private static func opened(_ path: String) throws(RecordFileError) -> Int32 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RecordFileError(
                code: .unreadable, description: "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw RecordFileError(
                code: .unreadable,
                description: "\(path) is no file; it is read twice, so write what comes through a pipe to a file first")
        }
        return descriptor
    }

    private mutating func line(to end: Int) -> ArraySlice<UInt8> {
        var line = self.buffer[self.start..<end]
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        self.number += 1
        // Some programs put a byte order mark before UTF-8.
        if self.number == 1, line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        return line
    }

    /// Moves what is left to the beginning, and reads more behind it.
    private mutating func fill() throws(RecordFileError) {
        self.buffer.removeFirst(self.start)
        self.start = 0
        let filled = self.buffer.count
        var count = 0
        self.buffer.append(contentsOf: repeatElement(0, count: Self.piece))
        repeat {
            count = self.buffer.withUnsafeMutableBytes { bytes in
                read(self.descriptor, bytes.baseAddress?.advanced(by: filled), Self.piece)
            }
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
            throw RecordFileError(
                code: .unreadable, description: "cannot read \(self.path): \(String(cString: strerror(errno)))")
        }
        self.buffer.removeLast(Self.piece - count)
        if count == 0 { self.isAtEnd = true }
    }
}
