import TallyCore
import TallyTestSupport
import Testing

extension ServerAttacks {
    /// Redis is a primary and a replica. Replication does not wait, so a replica that takes over may lack the last counts.
    @Suite struct Failovers {
        @Test(
            "the primary Redis is killed and its replica promoted: what the replica had is kept, and nothing comes twice"
        )
        func promotion() async throws {
            let options = [
                "--min-replicas-to-write", "1", "--min-replicas-max-lag", "10", "--repl-diskless-sync-delay", "0",
            ]
            let first = try await Member(options)
            let second = try await Member(options)
            try await second.follow(first)
            let proxy = try await TCPProxy.start(to: first.server.port)
            let deployment = try await Deployment.start(.redisAndMongoDB, redis: first.server)
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
                    // Once the replica is as good as up to date, once it hears of nothing any more.
                    let lags = (primary === first) == round.isMultiple(of: 2)
                    let seeds = (random.next(), random.next())
                    let stop = TrafficGenerator.StopFlag()
                    try await withTraffic(to: tally, seed: seeds.0, stop: stop, window) {
                        if lags { primary.cable.blackhole() }
                        try await flow(window, tally)
                        try await random.pause(milliseconds: 0...2_200)
                        try await primary.server.kill()
                        stop.stop()
                        await primary.cable.cutAll()
                        primary.cable.heal()
                        // Without a replica of its own the new primary takes no writes; the spool takes them.
                        try await withTraffic(to: tally, seed: seeds.1, kept) {
                            try await replica.server.command(["REPLICAOF", "NO", "ONE"])
                            proxy.targetPort = replica.server.port
                            try await flow(kept, tally)
                            try await primary.server.restart()
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

    /// One Redis of the two, and the cable by which another one follows it.
    private final class Member: Sendable {
        let server: RedisServer
        let cable: TCPProxy

        init(_ options: [String]) async throws {
            self.server = try await RedisServer.start(appendfsync: .always, extra: options)
            self.cable = try await TCPProxy.start(to: self.server.port)
        }

        /// Becomes a replica, and waits until it has everything.
        func follow(_ primary: Member) async throws {
            try await self.server.command(["REPLICAOF", "127.0.0.1", String(primary.cable.port)])
            try await primary.waitForReplica()
        }

        /// Waits until a replica has confirmed everything that was written until now.
        func waitForReplica() async throws {
            try await eventually(within: .seconds(30), "the replica to follow", log: { self.server.log }) {
                // WAIT waits for the last write of its own connection (https://redis.io/docs/latest/commands/wait/), so
                // there must be one; what others wrote came before it.
                let commands = [["SET", "confirmed", "1"], ["WAIT", "1", "1000"]].map { $0.map { Array($0.utf8) } }
                return try await self.server.commands(commands).last == .integer(1)
            }
        }
    }
}
