import Foundation
import Synchronization

/// A pipe with a name, of which the tests hold the end that is read: so they decide whether anybody reads.
public final class NamedPipe: Sendable {
    public let path: String
    private let folder: TemporaryDirectory
    private let descriptor: Mutex<Int32>

    /// - Throws: `TestSupportError` where it cannot be made.
    public init() throws {
        self.folder = try TemporaryDirectory("pipe")
        self.path = self.folder.url.appendingPathComponent("output").path
        guard mkfifo(path, 0o600) == 0 else { throw TestSupportError("cannot make the pipe \(path), error \(errno)") }
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestSupportError("cannot open the pipe \(path), error \(errno)") }
        self.descriptor = Mutex(descriptor)
    }

    deinit { self.close() }

    /// Takes what lies in the pipe, without waiting for more.
    public func read() -> String {
        self.descriptor.withLock { descriptor in
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = Foundation.read(descriptor, &piece, piece.count)
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes += piece[..<count]
            }
        }
    }

    /// The reader goes.
    public func close() {
        self.descriptor.withLock { descriptor in
            if descriptor >= 0 { _ = Foundation.close(descriptor) }
            descriptor = -1
        }
    }
}
