public import Foundation
import Synchronization

/// A folder of one test's own, removed with its last user or at the end of the process.
public final class TemporaryDirectory: Sendable {
    public let url: URL

    public var path: String { self.url.path }

    /// - Parameter name: what it is for; a part of the folder's name, so that a leftover can be traced.
    public init(_ name: String) throws {
        let parent = FileManager.default.temporaryDirectory
        self.url = parent.appendingPathComponent(
            "tally-test-\(name)-\(UUID().uuidString.prefix(13))", isDirectory: true)
        try FileManager.default.createDirectory(
            at: self.url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        AtExit.remove(self.url)
    }

    deinit { AtExit.removeNow(self.url) }
}

/// Ends the servers and removes the folders that are left when the process ends, because nothing frees a global.
enum AtExit {
    private struct Left {
        var folders: Set<URL> = []
        var processes: [pid_t: ServerProcess.Child] = [:]
        var isRegistered = false
    }

    private static let left = Mutex(Left())

    static func remove(_ folder: URL) {
        self.left.withLock {
            $0.folders.insert(folder)
            self.register(&$0)
        }
    }

    static func removeNow(_ folder: URL) {
        self.left.withLock { _ = $0.folders.remove(folder) }
        try? FileManager.default.removeItem(at: folder)
    }

    static func end(_ child: ServerProcess.Child) {
        self.left.withLock {
            $0.processes[child.pid] = child
            self.register(&$0)
        }
    }

    static func forget(_ child: ServerProcess.Child) {
        self.left.withLock { _ = $0.processes.removeValue(forKey: child.pid) }
    }

    private static func register(_ left: inout Left) {
        guard !left.isRegistered else { return }
        left.isRegistered = true
        atexit { AtExit.finish() }
    }

    private static func finish() {
        let (folders, processes) = self.left.withLock { ($0.folders, $0.processes) }
        for child in processes.values { child.killAndReap() }
        for folder in folders { try? FileManager.default.removeItem(at: folder) }
    }
}
