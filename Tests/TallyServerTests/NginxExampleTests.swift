import Foundation
import TallyTestSupport
import Testing

extension EndToEnd {
    /// `Packaging/nginx/tally.conf`, as it stands but for names, ports and certificate.
    @Suite struct NginxExample {
        private static let track = "/track?clientName=acme&testID=cta&variation=B"

        private let folder: TemporaryDirectory
        private let certificate: SelfSignedCertificate
        private let tally: TallyProcess
        private let nginx: NginxServer

        init() async throws {
            let folder = try TemporaryDirectory("nginx-example")
            let certificate = try SelfSignedCertificate(in: folder.url)
            let tally = try await TallyProcess.start(
                ["TRUSTED_PROXIES": "127.0.0.1", "FLUSH_SCHEDULE": Deployment.never])
            self.nginx = try await NginxServer.start { port in
                try Self.example(port: port, target: tally.port, certificate)
            }
            self.folder = folder
            self.certificate = certificate
            self.tally = tally
        }

        private static func example(
            port: Int, target: Int, _ certificate: SelfSignedCertificate
        ) throws -> String {
            let file = Executable.repository.appendingPathComponent("Packaging/nginx/tally.conf")
            var text = try String(contentsOf: file, encoding: .utf8)
            for (theirs, ours) in [
                ("server 127.0.0.1:8080;", "server 127.0.0.1:\(target);"),
                ("listen 443 ssl;", "listen 127.0.0.1:\(port) ssl;"),
                ("server_name count.example.com;", "server_name localhost;"),
                ("/etc/ssl/certs/count.example.com.pem", certificate.certificateFile.path),
                ("/etc/ssl/private/count.example.com.key", certificate.keyFile.path),
            ] {
                try #require(text.contains(theirs), "\(theirs) in \(file.path)")
                text = text.replacingOccurrences(of: theirs, with: ours)
            }
            return text
        }

        @Test("the example for nginx counts over TLS, passes addresses on, and keeps connections to tally open")
        func example() async throws {
            let trusted = self.certificate.certificateFile.path
            let caller = try await TestConnection.connect(port: self.nginx.port, trusting: trusted)
            for _ in 0..<20 { #expect(try await caller.request(.GET, Self.track).status == 200) }
            #expect(try await caller.request(.GET, "/readyz").status == 200)

            // The caller claims to be someone who may not count: nginx adds what it sees, and tally reads past it.
            let forged = try await caller.request(
                .GET, Self.track, headers: ["X-Forwarded-For": "203.0.113.9"])
            #expect(forged.status == 403)
            #expect(forged.text.contains("203.0.113.9"), "\(forged.text)")

            let tooLarge = try await TestConnection.once(
                port: self.nginx.port, trusting: trusted, .POST, "/track",
                headers: ["Content-Type": "application/json"],
                body: Array(repeating: UInt8(ascii: " "), count: 1_100_000))
            #expect(tooLarge.status == 413)

            // All of it went over one connection, since one caller waits for each answer.
            let metrics = try await caller.request(.GET, "/metrics").text
            #expect(metrics.contains("tally_connections 1\n"), "\(metrics)")
            await caller.close()
        }

        @Test("a tally that is away is a 502 of nginx at once, and comes back by itself")
        func away() async throws {
            let trusted = self.certificate.certificateFile.path
            #expect(try await self.tally.terminate() == 0)
            #expect(
                try await TestConnection.once(port: self.nginx.port, trusting: trusted, .GET, Self.track).status == 502)
            try await self.tally.restart()
            try await eventually("counting again") {
                try await TestConnection.once(port: self.nginx.port, trusting: trusted, .GET, Self.track).status == 200
            }
        }
    }
}
