import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    /// Redis is a primary and a replica. Replication does not wait, so a replica that takes over may lack the last counts.
    @Suite struct Failovers {
        @Test(
            "the primary Redis is killed and its replica promoted: what the replica had is kept, and nothing comes twice"
        )
        func promotion() async throws {
            let options = [
                "--min-replicas-to-write", "1", "--min-replicas-max-lag", "10", "--repl-diskless-sync-delay", "0",
            ]
            let first = try await RedisServer.start(appendfsync: .always, extra: options)
            let second = try await RedisServer.start(appendfsync: .always, extra: options)
            try await second.follow(first)
            let proxy = try await TCPProxy.start(to: first.port)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: first)
            let tally = try await TallyProcess.start(deployment.settings(redisPort: proxy.port))
            var books = Books("a replica of Redis promoted", deployment)
            for round in 0..<Torture.rounds(full: 10, short: 1) {
                var random = chance(books.attack, round)
                let kept = Ledger()
                let window = Ledger()
                // There and back again, so that the books find the primary where it was.
                for (primary, replica) in [(first, second), (second, first)] {
                    try await withTraffic(to: tally, seed: random.next(), kept) { try await flow(kept, tally) }
                    try await primary.waitForReplica()
                    let seeds = (random.next(), random.next())
                    let stop = TrafficGenerator.StopFlag()
                    try await withTraffic(to: tally, seed: seeds.0, stop: stop, window) {
                        try await flow(window, tally)
                        try await random.pause(milliseconds: 0...1_100)
                        try await primary.kill()
                        stop.stop()
                        // Without a replica of its own the new primary takes no writes; the spool takes them.
                        try await withTraffic(to: tally, seed: seeds.1, kept) {
                            try await replica.command(["REPLICAOF", "NO", "ONE"])
                            proxy.targetPort = replica.port
                            try await flow(kept, tally)
                            try await primary.restart()
                            try await primary.follow(replica)
                            try await flow(kept, tally)
                        }
                    }
                }
                kept.recordAsUncertain(window)
                try await books.check(kept, tally, round: round, faults: 2)
            }
            await proxy.stop()
        }
    }
}

extension RedisServer {
    /// Becomes a replica of another server, and waits until it has its data.
    fileprivate func follow(_ primary: RedisServer) async throws {
        try await self.command(["REPLICAOF", "127.0.0.1", String(primary.port)])
        try await primary.waitForReplica()
    }

    /// Waits until a replica has confirmed everything that was written until now.
    fileprivate func waitForReplica() async throws {
        try await eventually(within: .seconds(30), "the replica to follow", log: { self.log }) {
            // WAIT waits for the last write of its own connection (https://redis.io/docs/latest/commands/wait/), so there
            // must be one; what others wrote came before it.
            let commands = [["SET", "confirmed", "1"], ["WAIT", "1", "1000"]].map { $0.map { Array($0.utf8) } }
            return try await self.commands(commands).last == .integer(1)
        }
    }
}
