import Foundation
import TallyTestSupport
import Testing

extension Attacks {
    /// The faulty disk itself: what stands on it proves nothing unless it forgets what it should, and nothing else.
    @Suite struct FaultyDisks {
        private let parent: TemporaryDirectory
        private let folder: URL
        private let disk: FaultyDisk

        init() throws {
            self.parent = try TemporaryDirectory("faulty")
            self.folder = self.parent.url.appendingPathComponent("disk")
            try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
            self.disk = try FaultyDisk(below: self.folder)
        }

        @Test("a library is preloaded whatever its path is")
        func anyPath() async throws {
            let place = self.parent.url.appendingPathComponent("a folder: this one")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let built = place.appendingPathComponent("libFaultyDisk.so")
            try FileManager.default.copyItem(atPath: TallyProcess.builtFile("libFaultyDisk.so"), toPath: built.path)
            let library = try PreloadedLibrary(built.path)
            let environment = self.disk.environment.merging(["LD_PRELOAD": library.path]) { $1 }
            let (exit, output) = try await ToolRun.run(
                "env", environment.map { "\($0)=\($1)" } + ["cat", "/proc/self/maps"])
            #expect(exit == .code(0))
            #expect(output.contains(built.path), "\(output)")
        }

        @Test("when the power goes, bytes and names that were synced are kept, and no others")
        func powerLoss() async throws {
            try await self.run(
                """
                printf 1111 > grown; sync grown .; printf 2222 >> grown
                printf 1111 > cut; sync cut .; truncate -s 2 cut
                printf 1111 > twice; sync twice .; printf 2222 >> twice; sync -d twice
                printf 1111 > unsynced; sync .
                printf 1111 > gone; sync gone .; rm gone; sync .
                """)
            try await self.run(
                """
                printf 1111 > target; printf 2222 > new; sync target new .; mv new target; sync .
                printf 1111 > before; sync before .; mv before after; sync .
                mkdir -p below; printf 1111 > below/file; sync below/file below
                dd if=/dev/zero of=direct bs=100 count=3 oflag=dsync status=none; sync .
                printf 1111 > stays; printf 1111 > here; sync stays here .
                mv stays elsewhere; rm here; printf 1111 > nameless; sync nameless
                """)
            try self.disk.losePower()
            #expect(
                try self.contents() == [
                    "grown": "1111", "cut": "1111", "twice": "11112222", "unsynced": "", "target": "2222",
                    "after": "1111", "stays": "1111", "here": "1111", "below/file": "1111",
                    "direct": String(repeating: "\0", count: 300),
                ])
        }

        @Test("what was there before the first program is kept, and the power can go many times")
        func again() async throws {
            try Data("old".utf8).write(to: self.folder.appendingPathComponent("old"))
            for round in 1...3 {
                try await self.run("printf \(round) >> old; sync old; printf lost >> old")
                try self.disk.losePower()
            }
            #expect(try self.contents() == ["old": "old123"])
        }

        @Test("a program that goes on writing keeps what it had written when it synced")
        func inOneProcess() async throws {
            let redis = try await RedisServer.start(appendfsync: .off, disk: .faulty)
            try await redis.command(["SET", "a", "1"])
            try await redis.command(["CONFIG", "SET", "appendfsync", "always"])
            try await redis.command(["SET", "b", "1"])
            try await redis.command(["CONFIG", "SET", "appendfsync", "no"])
            try await redis.command(["SET", "c", "1"])
            try await redis.kill()
            try redis.disk?.losePower()
            try await redis.restart()
            #expect(try await redis.command(["MGET", "a", "b", "c"]).array?.map(\.text) == ["1", "1", nil])
        }

        @Test("a full disk takes what fits, and everything again when there is room")
        func full() async throws {
            try self.disk.setSpace(bytes: 4_500)
            let command = "dd if=/dev/zero of=file bs=1000 count=10 status=none conv=notrunc"
            #expect(try await self.exit(command) == .code(1))
            #expect(try self.contents().mapValues(\.utf8.count) == ["file": 4_500])
            // Over what is there, there is room.
            try await self.run("dd if=/dev/zero of=file bs=1000 count=4 status=none conv=notrunc")
            try self.disk.setSpace(bytes: .max)
            try await self.run(command)
            #expect(try self.contents().mapValues(\.utf8.count) == ["file": 10_000])
        }

        @Test("the wall clock can be set")
        func clock() async throws {
            for ahead: Int64 in [3_600, -3_600] {
                try self.disk.setClock(secondsAhead: ahead)
                try await self.run("date +%s > ../time")
                let shown = try String(contentsOf: self.parent.url.appendingPathComponent("time"), encoding: .utf8)
                let shift = try #require(Double(shown.dropLast())) - Date().timeIntervalSince1970
                #expect(abs(shift - Double(ahead)) < 60)
            }
        }

        private func run(_ script: String) async throws {
            #expect(try await self.exit("set -e\n" + script) == .code(0))
        }

        private func exit(_ script: String) async throws -> ServerProcess.Exit {
            let shell = try await ServerProcess.start(
                "sh", ["-c", script],
                environment: ProcessInfo.processInfo.environment.merging(self.disk.environment) { $1 },
                directory: self.folder, logFile: self.parent.url.appendingPathComponent("log"))
            return try await shell.waitUntilExit()
        }

        /// The files by their path.
        private func contents() throws -> [String: String] {
            var contents: [String: String] = [:]
            for path in try FileManager.default.subpathsOfDirectory(atPath: self.folder.path) {
                let file = self.folder.appendingPathComponent(path)
                guard !file.hasDirectoryPath else { continue }
                contents[path] = try String(decoding: Data(contentsOf: file), as: UTF8.self)
            }
            return contents
        }
    }
}
