import TallyCore
import TallyTestSupport
import Testing

extension ServerAttacks {
    /// A MongoDB of three members loses its primary while a flush runs every second and counts come in.
    @Suite struct ReplicaSets {
        enum Fault: String, CaseIterable, CustomTestStringConvertible {
            case killed = "is killed"
            case stepsDown = "steps down"
            case frozen = "is frozen until another is elected, and thawed"

            var testDescription: String { self.rawValue }
        }

        /// One for all of them, each in a database of its own: every fault leaves it whole, and it takes seconds to start.
        private static let shared = Task { try await MongoReplicaSet.start() }

        @Test(
            "MongoDB's primary is lost under traffic: counting does not notice, and no count is lost or doubled",
            arguments: Fault.allCases)
        func primaryLost(_ fault: Fault) async throws {
            let set = try await Self.shared.value
            let deployment = try await Deployment.start(.redisAndMongoDB, on: set)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("MongoDB's primary \(fault.rawValue)", deployment)
            for round in 0..<Torture.rounds(full: 20, short: 1) {
                var random = chance(books.attack, round)
                let ledger = Ledger()
                let report = try await withTraffic(
                    to: tally, seed: random.next(), counters: 3_000, pause: .milliseconds(2), ledger
                ) {
                    try await self.waitForFlush(deployment, tally)
                    // In the middle of a batch, or at any moment.
                    if !Torture.isFull || Bool.random(using: &random) {
                        try await self.waitForBegin(deployment, tally)
                    } else {
                        try await random.pause(milliseconds: 0...1_000)
                    }
                    try await self.strike(fault, set)
                    try await self.waitForFlush(deployment, tally)
                }
                #expect(report.unanswered == 0 && !tally.log.contains("problem=unavailable"))
                // Beside other tests a few are refused, since Redis seems slow; MongoDB has no part in that.
                #expect(report.refused <= (Torture.isFull ? 0 : report.acknowledged / 100))
                try await books.check(ledger, tally, round: round, exactly: true)
            }
            let (exit, text) = try await tally.run(["audit"])
            #expect(exit == .code(0), "\(text)")
        }

        private func waitForFlush(_ deployment: Deployment, _ tally: TallyProcess) async throws {
            let before = try await deployment.batchesInLedger().finished
            try await eventually(
                within: .seconds(90), "a batch to be finished", log: { String(tally.log.suffix(4_000)) }
            ) {
                try await deployment.batchesInLedger().finished > before
            }
        }

        private func waitForBegin(_ deployment: Deployment, _ tally: TallyProcess) async throws {
            let set = try #require(deployment.replicaSet)
            let primary = try await set.primary()
            try await eventually(within: .seconds(90), "a batch to be begun", log: { String(tally.log.suffix(4_000)) })
            {
                let ledger = try await deployment.batchesInLedger(on: primary)
                return ledger.begun > ledger.finished
            }
        }

        private func strike(_ fault: Fault, _ set: MongoReplicaSet) async throws {
            let primary = try await set.primary()
            switch fault {
            case .killed:
                try await primary.kill()
                _ = try await set.primary()
                try await primary.restart()
            case .stepsDown:
                try await primary.command(
                    ["replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5], database: "admin")
                _ = try await set.primary()
            case .frozen:
                primary.pause()
                let successor = try await set.primary()
                #expect(successor.port != primary.port)
                primary.resume()
            }
        }
    }
}
