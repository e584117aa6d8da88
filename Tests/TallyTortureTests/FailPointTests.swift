import Foundation
import TallyCore
import TallyTestSupport
import Testing

extension Attacks {
    @Suite struct FailPoints {
        struct Target: CustomTestStringConvertible, Sendable {
            let kind: Deployment.Kind
            let place: FailPoint

            var testDescription: String { "\(self.place.rawValue), \(self.kind.rawValue)" }

            /// At which passing the process dies. The early ones are those of the start and of the first counts.
            var passings: ClosedRange<Int> {
                switch self.place {
                case .beforeSend, .afterSend, .beforeAnswer: 1...150
                // One for each lane, one for the flush.
                case .inHello: 1...3
                // Each costs a second, the time between two flushes.
                case .afterSeal, .afterBarrier, .beforeAcknowledge, .afterAcknowledge: 1...(Torture.isFull ? 3 : 1)
                // Three clients with two kinds of documents each.
                case .midBulk: self.kind.usesMongoDB ? 1...10 : 1...2
                // Not on the way of a count that is tracked; the tests of the command let it die there.
                case .midImport: preconditionFailure("no target")
                }
            }

            /// Fifty for a place, two in the short selection. Some places are on the way through the embedded file, too.
            var rounds: Int {
                let kinds = FailPoints.targets.count { $0.place == self.place }
                if kinds == 1 { return Torture.rounds(full: 50, short: 2) }
                return Torture.rounds(full: self.kind == .redisAndMongoDB ? 30 : 20, short: 1)
            }
        }

        static let targets =
            FailPoint.allCases.filter { $0 != .midImport }.map { Target(kind: .redisAndMongoDB, place: $0) }
            + [.beforeAnswer, .afterSeal, .midBulk, .beforeAcknowledge].map { Target(kind: .embedded, place: $0) }
            + [.afterBarrier, .afterAcknowledge].map { Target(kind: .mongoDB, place: $0) }

        @Test("the service dies where it hurts", arguments: targets)
        func dies(_ target: Target) async throws {
            let deployment = try await Deployment.start(target.kind)
            let tally = try await TallyProcess.start(deployment.settings())
            var books = Books("kill -9 at \(target.testDescription)", deployment)
            try await books.attack(
                tally, rounds: target.rounds, beginsWithIDs: target.kind != .redisAndMongoDB
            ) { random, ledger in
                let passing = Int.random(in: target.passings, using: &random)
                try await self.die(target.place, passing, tally, deployment)
                try await deployment.forgetFlushLock()
                try await tally.restart()
                try await flow(ledger, tally)
            }
        }

        private func die(
            _ place: FailPoint, _ passing: Int, _ tally: TallyProcess, _ deployment: Deployment
        ) async throws {
            do {
                try await tally.restart(["TALLY_FAILPOINT": "\(place.rawValue):\(passing)", "EVENT_LOOPS": "2"])
            } catch  where !tally.isRunning {
                // It came there before it was up.
            }
            while place == .inHello, tally.isRunning, let redis = deployment.redis {
                // Hello means something where Redis was away.
                try await redis.kill()
                try await redis.restart()
                try? await eventually(within: .seconds(2), "death in hello") { !tally.isRunning }
            }
            #expect(try await tally.waitUntilExit() == .signal(SIGKILL), "\(tally.log.suffix(2_000))")
        }
    }
}
