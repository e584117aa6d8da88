#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import NIOCore

/// Why the service cannot listen, in words, and whether that may pass by itself: the systemd unit starts it again then.
enum ListenFailure {
    /// Nil for what has nothing to do with listening.
    static func startError(_ error: any Error, host: String, port: Int) -> StartError? {
        switch error {
        case let error as IOError: self.refused(error, host: host, port: port)
        case let error as SocketAddressError.UnknownHost:
            self.unresolved(host, code: error.errorCode, reason: error.errorDescription)
        default: nil
        }
    }

    private static func refused(_ error: IOError, host: String, port: Int) -> StartError {
        switch error.errnoCode {
        case EADDRINUSE:
            StartError(
                .configuration,
                "port \(port) on \(host) is in use already; stop what uses it, or set another PORT")
        case EACCES:
            StartError(
                .configuration,
                "port \(port) needs privileges that this process has not; set a PORT above 1023")
        case EADDRNOTAVAIL:
            // That of an interface which comes up after the service, such as a VPN's, is one later.
            StartError(
                .unavailable,
                "\(host) is no address of this machine now; bring its interface up, or set HOST to an address that is "
                    + "one, or to 0.0.0.0 for all")
        default: StartError(.configuration, "cannot listen on \(host) port \(port): \(error)")
        }
    }

    /// - Parameters:
    ///   - code: that of getaddrinfo(3).
    ///   - reason: its words for it.
    static func unresolved(_ host: String, code: Int, reason: String) -> StartError {
        if code == Int(EAI_AGAIN) {
            return StartError(
                .unavailable,
                "the name \(host) cannot be looked up now (\(reason)); bring the DNS back, or set HOST to an address of "
                    + "this machine, or to 0.0.0.0 for all")
        }
        return StartError(
            .configuration,
            "the name \(host) is not known (\(reason)); set HOST to an address of this machine, or to 0.0.0.0 for all")
    }
}
