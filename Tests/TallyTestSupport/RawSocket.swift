import Foundation

#if canImport(Glibc)
import Glibc
private let stream = Int32(SOCK_STREAM.rawValue)
private let sendFlags = Int32(MSG_NOSIGNAL)
#elseif canImport(Darwin)
import Darwin
private let stream = SOCK_STREAM
private let sendFlags: Int32 = 0
#endif

/// A TCP socket without anything around it, for thousands of connections from one thread. Never blocks once it is
/// connected.
struct RawSocket {
    enum Outcome: Equatable {
        case bytes(Int)
        /// Nothing can be done just now.
        case blocked
        /// The other side is gone.
        case closed
    }

    let descriptor: Int32

    /// Connects to a port of this machine.
    /// - Parameter bufferBytes: the size of the kernel's buffers on this side; nil for the usual.
    init(port: Int, bufferBytes: (receive: Int32, send: Int32)? = nil) throws {
        self.descriptor = socket(AF_INET, stream, 0)
        guard self.descriptor >= 0 else { throw TestSupportError("no socket: errno \(errno)") }
        if var (receive, send) = bufferBytes {
            setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &receive, socklen_t(MemoryLayout<Int32>.size))
            setsockopt(self.descriptor, SOL_SOCKET, SO_SNDBUF, &send, socklen_t(MemoryLayout<Int32>.size))
        }
        var one: Int32 = 1
        setsockopt(self.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let descriptor = self.descriptor
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let code = errno
            Foundation.close(descriptor)
            throw TestSupportError("no connection to port \(port): errno \(code)")
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    func send(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        let sent = Foundation.send(self.descriptor, bytes.baseAddress, bytes.count, sendFlags)
        if sent >= 0 { return .bytes(sent) }
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? .blocked : .closed
    }

    func send(_ bytes: [UInt8]) -> Outcome { bytes.withUnsafeBytes { self.send($0) } }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        let received = recv(self.descriptor, buffer.baseAddress, buffer.count, 0)
        if received > 0 { return .bytes(received) }
        if received == 0 { return .closed }
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? .blocked : .closed
    }

    func close() { Foundation.close(self.descriptor) }
}
