import NIOHTTP1
import TallyTestSupport
import Testing

extension EndToEnd {
    /// Over the wire, behind a real nginx and directly: what a caller writes into X-Forwarded-For lets nobody in.
    @Suite struct ForgedAddresses {
        @Test("forged addresses get 403, directly and behind nginx, and nothing is counted")
        func forged() async throws {
            let deployment = try await Deployment.start(.embedded)
            var settings = deployment.settings(flush: Deployment.never)
            settings["TRUSTED_PROXIES"] = NginxServer.address
            settings["TRACK_ALLOWED_IPS"] = "192.0.2.7"
            settings["READ_ALLOWED_IPS"] = "192.0.2.7"
            settings["LOG_LEVEL"] = "error"
            let tally = try await TallyProcess.start(settings)
            let nginx = try await NginxServer.start(to: tally.port)
            let seed = Torture.seed
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (offset, port) in [tally.port, nginx.port].enumerated() {
                    group.addTask {
                        var forms = ForgedForwardedFor(
                            wanted: "192.0.2.7", proxy: NginxServer.address, seed: seed &+ UInt64(offset))
                        for _ in 0..<Torture.rounds(full: 5_000, short: 250) {
                            let lines = forms.next()
                            var head = "Host: x\r\nConnection: close\r\n"
                            for line in lines { head += "X-Forwarded-For: \(line)\r\n" }
                            for path in ["/track?clientName=acme&testID=cta&variation=B", "/clients"] {
                                let answer = try await TestConnection.rawExchange(
                                    port: port, Array("GET \(path) HTTP/1.1\r\n\(head)\r\n".utf8), halfClose: false)
                                let status = String(decoding: answer, as: UTF8.self).dropFirst(9).prefix(3)
                                #expect(status == "403", "\(lines): \(status), seed \(seed)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await deployment.flush(tally)
            #expect(try await deployment.countedInStore(clients: ["acme"]).isEmpty)
        }
    }
}
