import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    @Suite struct Cuts {
        private enum Fault: CaseIterable {
            case cut
            case cutWithinRequest
            case cutWithinAnswer
            case answersLost
            case slow
            case halfOpenThenHealed
            case halfOpenThenCut
            case refused
            /// Longer than an answer may take. Rare, and in the whole torture only: each costs several seconds.
            case halfOpenForLong

            static func draw(_ random: inout SplitMix64) -> Fault {
                if Torture.isFull, Int.random(in: 0..<40, using: &random) == 0 { return .halfOpenForLong }
                return self.allCases.dropLast().randomElement(using: &random) ?? .cut
            }
        }

        @Test("the ways from the service to Redis and to MongoDB break, again and again")
        func cuts() async throws {
            let deployment = try await Deployment.start(.redisAndMongoDB)
            let redis = try await TCPProxy.start(to: #require(deployment.redis).port)
            let mongo = try await TCPProxy.start(to: #require(deployment.mongo).port)
            let tally = try await TallyProcess.start(
                deployment.settings(redisPort: redis.port, mongoPort: mongo.port))
            var books = Books("cuts, half-open connections, delays", deployment)
            let faults = Torture.rounds(full: 500, short: 50)
            try await books.attack(tally, rounds: faults / 25, faults: 25) { random, ledger in
                for fault in 0..<25 {
                    let proxy = Bool.random(using: &random) ? redis : mongo
                    // Between flushes there is little to break on the way to MongoDB.
                    if proxy === mongo, Torture.isFull || fault % 10 == 0 { try await self.waitForBytes(on: proxy) }
                    try await self.attack(proxy, Fault.draw(&random), &random)
                    // Counting goes on whatever happened to MongoDB, and again when Redis is back.
                    try await flow(ledger, tally, counts: 10)
                }
            } afterwards: {
                // What was to break after so many bytes, and has not, would break the check.
                for proxy in [redis, mongo] {
                    proxy.cut(afterClientBytes: .max)
                    proxy.cut(afterServerBytes: .max)
                }
            }
            await redis.stop()
            await mongo.stop()
        }

        private func waitForBytes(on proxy: TCPProxy) async throws {
            let before = proxy.clientByteCount
            try await eventually(within: .seconds(30), "something to be sent") { proxy.clientByteCount != before }
        }

        private func attack(_ proxy: TCPProxy, _ fault: Fault, _ random: inout SplitMix64) async throws {
            switch fault {
            case .cut:
                try await random.pause(milliseconds: 0...30)
                await proxy.cutAll()
            case .cutWithinRequest: proxy.cut(afterClientBytes: Int.random(in: 1...4_000, using: &random))
            case .cutWithinAnswer: proxy.cut(afterServerBytes: Int.random(in: 1...400, using: &random))
            case .answersLost:
                proxy.dropServerToClient = true
                try await random.pause(milliseconds: 5...60)
                proxy.dropServerToClient = false
            case .slow:
                proxy.delay = .milliseconds(Int.random(in: 1...60, using: &random))
                try await random.pause(milliseconds: 20...100)
                proxy.delay = .zero
            case .halfOpenThenHealed:
                proxy.blackhole()
                try await random.pause(milliseconds: 10...150)
                proxy.heal()
            case .halfOpenThenCut:
                proxy.blackhole()
                try await random.pause(milliseconds: 10...150)
                await proxy.cutAll()
                proxy.heal()
            case .halfOpenForLong:
                proxy.blackhole()
                try await random.pause(milliseconds: 5_500...8_000)
                proxy.heal()
            case .refused:
                await proxy.refuseNew()
                await proxy.cutAll()
                try await random.pause(milliseconds: 5...80)
                try await proxy.acceptAgain()
            }
        }
    }
}
