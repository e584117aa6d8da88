public import Foundation

/// A certificate for 127.0.0.1 and localhost that signs itself, made by the openssl command, and its key.
public struct SelfSignedCertificate: Sendable {
    public let certificateFile: URL
    public let keyFile: URL

    /// Makes the two files in a folder.
    /// - Throws: `TestSupportError` where openssl is missing or fails.
    public init(in folder: URL) throws {
        self.certificateFile = folder.appendingPathComponent("certificate.pem")
        self.keyFile = folder.appendingPathComponent("key.pem")
        guard let openssl = Executable.find("openssl") else {
            throw TestSupportError("there is no openssl; install it: apt-get install openssl")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: openssl)
        process.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", self.keyFile.path, "-out", self.certificateFile.path,
        ]
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw TestSupportError("openssl made no certificate: \(String(decoding: said, as: UTF8.self))")
        }
    }
}
