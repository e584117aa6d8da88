import Foundation
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct HTTPS {
        private static let track = "/track?clientName=acme&testID=cta&variation=B"

        private let folder: TemporaryDirectory
        private let certificate: SelfSignedCertificate

        init() throws {
            self.folder = try TemporaryDirectory("tls")
            self.certificate = try SelfSignedCertificate(in: self.folder.url)
        }

        private var settings: [String: String] {
            [
                "TLS_CERT_FILE": self.certificate.certificateFile.path, "TLS_KEY_FILE": self.certificate.keyFile.path,
                "FLUSH_SCHEDULE": Deployment.never,
            ]
        }

        @Test("counts and reads over TLS, and takes no plain request for one")
        func encrypted() async throws {
            let tally = try await TallyProcess.start(self.settings)
            #expect(tally.log.contains("https://127.0.0.1:\(tally.port)"), "\(tally.log)")
            let connection = try await TestConnection.connect(
                port: tally.port, trusting: self.settings["TLS_CERT_FILE"])
            #expect(try await connection.request(.GET, Self.track).text == #"{"status":"counted"}"#)
            #expect(try await connection.request(.GET, "/readyz").status == 200)
            await connection.close()

            let plain = try await TestConnection.rawExchange(
                port: tally.port, Array("GET \(Self.track) HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            #expect(!String(decoding: plain, as: UTF8.self).contains("counted"))
            let health = try await tally.run(["healthcheck"])
            #expect(health.exit == .code(0) && health.output == "ready\n", "\(health.output)")
            #expect(try await tally.run(["flush"]).output.contains("1 "), "\(tally.log)")
        }

        @Test("takes up a renewed certificate while it serves, and keeps the old one while the new files are wrong")
        func renewed() async throws {
            let tally = try await TallyProcess.start(self.settings)
            let (certificateFile, keyFile) = (self.certificate.certificateFile, self.certificate.keyFile)
            let old = try await TestConnection.connect(port: tally.port, trusting: certificateFile.path)
            #expect(try await old.request(.GET, Self.track).status == 200)

            let next = self.folder.url.appendingPathComponent("next")
            try FileManager.default.createDirectory(at: next, withIntermediateDirectories: true)
            let renewed = try SelfSignedCertificate(in: next)
            // As `mv` does it: the certificate first, so that for a while its key is another's.
            let kept = self.folder.url.appendingPathComponent("old.pem")
            try FileManager.default.copyItem(at: certificateFile, to: kept)
            try #require(rename(renewed.certificateFile.path, certificateFile.path) == 0)
            try await eventually(within: .seconds(20), "the mismatch to be seen") {
                tally.log.contains("does not belong to the certificate")
            }
            #expect(
                try await TestConnection.once(port: tally.port, trusting: kept.path, .GET, Self.track).status == 200)

            try #require(rename(renewed.keyFile.path, keyFile.path) == 0)
            try await eventually(within: .seconds(20), "the renewed certificate") {
                let answer = try? await TestConnection.once(
                    port: tally.port, trusting: certificateFile.path, .GET, Self.track)
                return answer?.status == 200
            }
            // Whoever is connected stays so.
            #expect(try await old.request(.GET, Self.track).status == 200)
            await old.close()
        }

        @Test("does not start with files that are missing, of another kind, or not each other's")
        func wrongFiles() async throws {
            let other = self.folder.url.appendingPathComponent("other")
            try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
            let stranger = try SelfSignedCertificate(in: other)
            let (certificate, key) = (self.certificate.certificateFile.path, self.certificate.keyFile.path)
            for (certificateFile, keyFile, words) in [
                (self.folder.path + "/none.pem", key, "none.pem holds no certificate that can be read"),
                (key, key, "key.pem holds no certificate that can be read"),
                (certificate, certificate, "certificate.pem holds no private key that can be read"),
                (certificate, stranger.keyFile.path, "does not belong to the certificate"),
            ] {
                let (exit, output) = try await TallyProcess.run(
                    ["serve", "--port", "0"],
                    settings: [
                        "TLS_CERT_FILE": certificateFile, "TLS_KEY_FILE": keyFile,
                        "DATA_DIR": self.folder.path + "/data",
                    ])
                #expect(exit == .code(78), "\(output)")
                #expect(output.contains(words), "\(output)")
            }
        }
    }
}
