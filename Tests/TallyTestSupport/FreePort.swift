import Foundation
import Synchronization

/// Hands out ports of 127.0.0.1 that nobody uses.
///
/// They come from below the range from which Linux takes the ports of outgoing connections (32768 to 60999). A port
/// that the kernel chose would lie in that range, and might be some connection's own just when a server that was
/// killed wants it back.
public enum FreePort {
    private static let range = 10_240..<32_768
    /// The port to try next; test processes that run at the same time begin at different places.
    private static let nextPort = Mutex(Int.random(in: range))

    /// A port that was free a moment ago, and that this process has not handed out before (nor will again, until it
    /// has gone through all 22,000).
    public static func next() throws -> Int {
        try self.nextPort.withLock { next in
            for _ in self.range {
                let port = next
                next = port + 1 < self.range.upperBound ? port + 1 : self.range.lowerBound
                if self.isFree(port) { return port }
            }
            throw TestSupportError(
                "no port of 127.0.0.1 is free between \(self.range.lowerBound) and \(self.range.upperBound)")
        }
    }

    /// Runs `start` with a free port, and again with another where it throws: somebody may take the port in between.
    static func retrying<Result>(_ start: (Int) async throws -> Result) async throws -> Result {
        for _ in 0..<2 {
            if let result = try? await start(self.next()) { return result }
        }
        return try await start(self.next())
    }

    static func isFree(_ port: Int) -> Bool {
        #if os(Linux)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
