import CoreMetrics
import TallyCore
import TallyMetrics

/// Asks buffers and store how they are, for the metrics, and does not wait long for the answer: metrics are wanted most
/// when something is in trouble.
final class StorageMeter: Sendable {
    /// What has not answered by then counts as away.
    static let answersWithin: Duration = .seconds(1)

    private let parts: [Part]

    init(_ storage: Storage, _ registry: MetricRegistry) {
        self.parts =
            storage.buffers.map { Self.part($0, registry) } + [
                Self.part(storage.store, registry), Self.part(storage.spoolUse, registry),
            ]
    }

    /// Asks all of them at once.
    func look() async {
        await withTaskGroup(of: Void.self) { group in
            for part in self.parts { group.addTask { await part.look() } }
        }
    }

    /// One buffer, or the store, or the spool's room.
    private final class Part: Sendable {
        /// What does not answer is not asked again before it has.
        private let question: SharedQuestion<Void>
        /// What holds where there is no answer.
        private let giveUp: @Sendable () -> Void

        init(ask: @escaping @Sendable () async throws -> Void, giveUp: @escaping @Sendable () -> Void) {
            self.question = SharedQuestion { do { try await ask() } catch { giveUp() } }
            self.giveUp = giveUp
        }

        func look() async {
            do {
                try await within(StorageMeter.answersWithin, orElse: "it counts as away") {
                    await self.question.answer()
                }
            } catch {
                self.giveUp()
            }
        }
    }

    private static func part(_ buffer: any CounterBuffer, _ registry: MetricRegistry) -> Part {
        let isUp = Meter(.bufferUp, ["buffer": buffer.kind], in: registry)
        let batches = Meter(.bufferPendingBatches, ["buffer": buffer.kind], in: registry)
        let counts = Meter(.bufferPendingCounts, ["buffer": buffer.kind], in: registry)
        return Part(
            ask: {
                let books = try await buffer.ledger()
                isUp.set(1)
                batches.set(books.pending.count)
                counts.set(books.pending.reduce(books.live) { $0 + $1.total })
            },
            giveUp: {
                isUp.set(0)
                // What waits in a buffer that cannot be reached is not known, and the last answer is none.
                batches.set(Double.nan)
                counts.set(Double.nan)
            })
    }

    private static func part(_ store: any CounterStore, _ registry: MetricRegistry) -> Part {
        let isUp = Meter(.storeUp, ["store": store.kind], in: registry)
        return Part(
            ask: {
                try await store.ping()
                isUp.set(1)
            }, giveUp: { isUp.set(0) })
    }

    private static func part(_ use: @escaping @Sendable () async throws -> SpoolUse, _ registry: MetricRegistry) -> Part
    {
        let bytes = Meter(.spoolBytes, in: registry)
        let maximum = Meter(.spoolMaximumBytes, in: registry)
        return Part(
            ask: {
                let use = try await use()
                bytes.set(use.bytes)
                maximum.set(use.maximumBytes)
            }, giveUp: { bytes.set(Double.nan) })
    }
}
