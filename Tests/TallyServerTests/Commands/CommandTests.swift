import TallyConfig
import TallyCore
import TallyTestSupport
import Testing

extension EndToEnd {
    @Suite struct Commands {
        @Test("every setting has its flag")
        func flags() async throws {
            let (exit, output) = try await TallyProcess.run(["serve", "--help"], settings: [:])
            #expect(exit == .code(0))
            for key in SettingKey.all { #expect(output.contains(key.flag + " "), "\(key.flag)") }
        }

        @Test("tally config says what holds and where it comes from, without passwords")
        func config() async throws {
            let (exit, output) = try await TallyProcess.run(
                ["config", "--port", "9000"],
                settings: ["REDIS_URL": "redis://:hidden@example.org", "LOG_LEVEL": "debug"])
            #expect(exit == .code(0))
            #expect(output.contains("redis://:***@example.org:6379/0"))
            #expect(!output.contains("hidden"))
            #expect(output.contains("--port") && output.contains("environment"))
        }

        @Test("tally metrics shows a client as a table, JSON or CSV, and says where there is nothing")
        func metrics() async throws {
            let tally = try await TallyProcess.start(["FLUSH_SCHEDULE": Deployment.never])
            let connection = try await TestConnection.connect(port: tally.port)
            for variation in ["A", "B", "B", "B"] {
                #expect(
                    try await connection.request(.GET, "/track?clientName=acme&testID=cta&variation=\(variation)")
                        .status == 200)
            }
            #expect(try await tally.run(["metrics", "acme"]).exit == .code(1))
            #expect(try await tally.run(["flush"]).exit == .code(0))
            let table = try await tally.run(["metrics", "acme"])
            #expect(table.exit == .code(0))
            #expect(table.output.contains("75.0 %") && table.output.contains("25.0 %"), "\(table.output)")
            let csv = try await tally.run(["metrics", "acme", "--test", "cta", "--format", "csv"])
            #expect(csv.output == "testID,variation,event,count\r\ncta,A,view,1\r\ncta,B,view,3\r\n")
            let json = try await tally.run(["metrics", "acme", "--format", "json"])
            #expect(try JSONValue(parsing: Array(json.output.utf8))["tests"]?[0]?["total"]?.integer == 4)
            #expect(try await tally.run(["clients"]).output.contains("acme"))
        }

        @Test("a flush that waits for another instance says all that it moved, from whatever buffer")
        func flushBesideAnother() async throws {
            let deployment = try await Deployment.start(.redis)
            let redis = try #require(deployment.redis)
            // What an earlier configuration left in the file.
            var embedded = deployment.settings(flush: Deployment.never)
            embedded["REDIS_URL"] = nil
            let tally = try await TallyProcess.start(embedded)
            for _ in 1...3 {
                #expect(
                    try await TestConnection.once(port: tally.port, .GET, "/track?clientName=a&testID=t&variation=B")
                        .status == 200)
            }
            try await tally.kill()
            try await redis.command(["SET", "{tally}:flush-lock", "somebody"])
            let flush = try await TallyProcess.start(["flush"], settings: deployment.settings())
            try await eventually("the counts of the file to be moved", log: { flush.log }) {
                try await deployment.countedInStore(clients: ["a"]).values.first == 3
            }
            #expect(flush.isRunning)
            try await redis.command(["DEL", "{tally}:flush-lock"])
            #expect(try await flush.waitUntilExit(within: .seconds(60)) == .code(0))
            #expect(flush.log.contains("moved 3 counts"), "\(flush.log)")
        }

        @Test(
            "a MONGODB_URI that is no connection string is a wrong setting to every command, and its password is not shown",
            arguments: [
                "serve", "flush", "metrics acme", "clients", "check", "audit", "export acme",
                "import --from-node --node-mongodb mongodb://127.0.0.1:1/",
            ])
        func badMongoDBURI(_ command: String) async throws {
            let folder = try TemporaryDirectory("uri")
            let (exit, output) = try await TallyProcess.run(
                command.split(separator: " ").map(String.init),
                settings: [
                    "MONGODB_URI": "mongodb://user:hun@ter2@host/db", "DATA_DIR": folder.path, "PORT": "0",
                ])
            #expect(exit == .code(78), "\(output)")
            #expect(output.contains("MONGODB_URI is not a connection string") && output.contains("%40"), "\(output)")
            #expect(!output.contains("hun") && !output.contains("ter2"), "\(output)")
        }

        @Test("a REDIS_CA_FILE that cannot be read is a wrong setting to tally check, too")
        func badCertificates() async throws {
            let folder = try TemporaryDirectory("ca")
            let (exit, output) = try await TallyProcess.run(
                ["check"],
                settings: [
                    "REDIS_URL": "rediss://127.0.0.1:1", "REDIS_CA_FILE": "\(folder.path)/none.pem",
                    "DATA_DIR": folder.path,
                ])
            #expect(exit == .code(78) && output.contains("REDIS_CA_FILE"), "\(output)")
        }

        @Test(
            "numbers that find no room where they are written to are no success",
            arguments: [
                "metrics acme", "metrics acme --format csv", "clients --format json", "audit", "export acme",
                "export acme --format ndjson",
            ])
        func fullDisk(_ command: String) async throws {
            let deployment = try await Deployment.start(.embedded)
            let settings = deployment.settings(flush: Deployment.never)
            let tally = try await TallyProcess.start(settings)
            #expect(
                try await TestConnection.once(port: tally.port, .GET, "/track?clientName=acme&testID=cta&variation=B")
                    .status == 200)
            #expect(try await tally.run(["flush"]).exit == .code(0))
            let there = try await tally.shell("tally \(command) > /dev/null", settings: settings)
            #expect(there.exit == .code(0), "\(there.output)")
            let full = try await tally.shell("tally \(command) > /dev/full", settings: settings)
            #expect(
                full.exit == .code(69) && full.output == "tally: cannot write the output: No space left on device\n",
                "\(full.output)")
        }
    }
}
