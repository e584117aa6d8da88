import Foundation

/// A real nginx of one test's own, in front of a server of this machine.
///
/// It connects from 127.0.0.9, so that a service can tell it from the tests, and keeps connections to the server open,
/// as one in production does: a request that were read in two ways would leave its rest for the next caller.
public final class NginxServer: Sendable {
    /// The address that it connects from.
    public static let address = "127.0.0.9"

    public let port: Int
    private let folder: TemporaryDirectory
    private let process: ServerProcess

    public var log: String { self.process.log }

    /// Starts it in front of a server, and waits until it listens.
    /// - Parameter buffersRequests: whether it reads a whole body before it passes a request on, as it does by default.
    /// - Throws: `TestSupportError` where there is no nginx or it does not start.
    public static func start(to targetPort: Int, buffersRequests: Bool = true) async throws -> NginxServer {
        try await self.start { self.proxy(port: $0, target: targetPort, buffers: buffersRequests) }
    }

    /// Starts it and waits until it listens.
    /// - Parameter http: what stands in the block `http`, for the port that it is to listen on.
    /// - Throws: `TestSupportError` where there is no nginx or it does not start.
    public static func start(http: (_ port: Int) throws -> String) async throws -> NginxServer {
        let executable = try Executable.find(
            variable: "NGINX", candidates: ["nginx"],
            advice: "Run the tests with `make test`, which installs it, or run: apt-get install nginx-light")
        return try await FreePort.retrying { port in
            let folder = try TemporaryDirectory("nginx")
            let file = folder.url.appendingPathComponent("nginx.conf")
            try Self.configuration(http: try http(port), folder: folder.path)
                .write(to: file, atomically: true, encoding: .utf8)
            let process = try await ServerProcess.start(
                executable, ["-p", folder.path, "-e", "stderr", "-c", file.path],
                logFile: folder.url.appendingPathComponent("nginx.log"))
            try await process.waitUntilListening(on: port)
            return NginxServer(port: port, folder: folder, process: process)
        }
    }

    private init(port: Int, folder: TemporaryDirectory, process: ServerProcess) {
        self.port = port
        self.folder = folder
        self.process = process
    }

    private static func configuration(http: String, folder: String) -> String {
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "  \($0)_temp_path \(folder)/\($0);" }.joined(separator: "\n")
        return """
            daemon off;
            master_process off;
            pid \(folder)/nginx.pid;
            error_log stderr warn;
            events { worker_connections 8192; }
            http {
              access_log off;
            \(paths)
            \(http)
            }

            """
    }

    private static func proxy(port: Int, target: Int, buffers: Bool) -> String {
        """
          keepalive_timeout 1s;
          lingering_timeout 1s;
          client_header_timeout 5s;
          client_body_timeout 5s;
          upstream tally {
            server 127.0.0.1:\(target);
            keepalive 8;
          }
          server {
            listen 127.0.0.1:\(port);
            location / {
              proxy_pass http://tally;
              proxy_bind \(Self.address);
              proxy_http_version 1.1;
              proxy_request_buffering \(buffers ? "on" : "off");
              proxy_set_header Connection "";
              proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            }
          }
        """
    }
}
