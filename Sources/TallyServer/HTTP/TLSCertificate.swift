#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif
import NIOSSL
import Synchronization

/// The certificate that connections are offered, and its renewal: what stands in the two files is taken up when they
/// change, by connections that begin after that.
final class TLSCertificate: Sendable {
    /// What tells one state of a file from another without reading it.
    private struct Stamp: Equatable {
        let seconds: Int
        let nanoseconds: Int
        let size: Int64
        let inode: UInt64

        init?(_ path: String) {
            var file = stat()
            guard stat(path, &file) == 0 else { return nil }
            #if canImport(Darwin)
            let modified = file.st_mtimespec
            #else
            let modified = file.st_mtim
            #endif
            self.seconds = modified.tv_sec
            self.nanoseconds = modified.tv_nsec
            self.size = Int64(file.st_size)
            self.inode = UInt64(file.st_ino)
        }
    }

    private struct State {
        var context: NIOSSLContext
        /// The two files as they were last read, well or in vain.
        var seen: [Stamp?]
    }

    private let certificateFile: String
    private let keyFile: String
    private let state: Mutex<State>

    /// Reads both files.
    /// - Throws: `StartError` that says which file is wrong, and why.
    init(certificateFile: String, keyFile: String) throws(StartError) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        let seen = [Stamp(certificateFile), Stamp(keyFile)]
        self.state = Mutex(State(context: try Self.read(certificateFile, keyFile), seen: seen))
    }

    /// What a new connection is to use.
    var context: NIOSSLContext { self.state.withLock { $0.context } }

    /// Takes the files up again where they have changed. Where they do not fit each other (one of them is still being
    /// written), what was there before stays.
    /// - Returns: In words what changed; nil where nothing did.
    /// - Throws: `StartError` where the files are new and wrong; said once for each state of the files.
    func renew() throws(StartError) -> String? {
        let now = [Stamp(self.certificateFile), Stamp(self.keyFile)]
        let isNew = self.state.withLock { state in
            defer { state.seen = now }
            return state.seen != now
        }
        guard isNew else { return nil }
        let context = try Self.read(self.certificateFile, self.keyFile)
        self.state.withLock { $0.context = context }
        return "new connections are offered the certificate that is now in \(self.certificateFile)"
    }

    private static func read(_ certificateFile: String, _ keyFile: String) throws(StartError) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
        } catch {
            throw StartError(
                .configuration,
                "TLS_CERT_FILE \(certificateFile) holds no certificate that can be read (\(error)); it must be a PEM file, "
                    + "the server's own certificate first, then those that signed it")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        } catch {
            throw StartError(
                .configuration,
                "TLS_KEY_FILE \(keyFile) holds no private key that can be read (\(error)); it must be a PEM file without "
                    + "a passphrase, readable for the user that runs tally")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw StartError(
                .configuration,
                "the key in TLS_KEY_FILE \(keyFile) does not belong to the certificate in TLS_CERT_FILE "
                    + "\(certificateFile) (\(error))")
        }
    }
}
