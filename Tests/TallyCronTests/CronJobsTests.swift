import ServiceLifecycle
import TallyCron
import TallyTestSupport
import Testing

@Suite("Cron jobs", .timeLimit(.minutes(1)))
struct CronJobsTests {
    private let clock = ManualClock(1_000_000_020)
    private let log = LogRecorder()
    private let runs = Recorder<CronRun>()
    private let jobs: CronJobs
    private let everyMinute: CronSchedule

    /// The first tick of every minute after the clock's start.
    private let tick: Int64 = 1_000_000_080

    init() throws {
        self.everyMinute = try CronSchedule("* * * * *")
        self.jobs = CronJobs(logger: self.log.logger, clock: self.clock) { [runs] run in runs.add(run) }
    }

    private func makeGroup() -> ServiceGroup {
        ServiceGroup(services: [self.jobs], logger: .silent)
    }

    /// Runs the jobs while `body` does, then shuts down gracefully and waits for the end.
    private func whileRunning(_ body: () async throws -> Void) async throws {
        let group = self.makeGroup()
        async let end: Void = group.run()
        try await body()
        await group.triggerGracefulShutdown()
        try await end
    }

    @Test("run at each tick, and not before the first")
    func ticks() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { "moved 3 batches" }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            #expect(self.runs.all.isEmpty)
            self.clock.advance(to: self.tick)
            await self.clock.sleeping(until: self.tick + 60)
            self.clock.advance(to: self.tick + 60)
            await self.clock.sleeping(until: self.tick + 120)
        }
        #expect(self.runs.all.map(\.dueSecondsSince1970) == [self.tick, self.tick + 60])
        #expect(self.runs.all.allSatisfy { $0.name == "flush" && $0.succeeded && $0.skippedTicks == 0 })
        #expect(self.log.lines.map(\.message) == Array(repeating: "cron job flush: moved 3 batches", count: 2))
        #expect(self.log.lines.map(\.level) == [.info, .info])
        #expect(self.log.lines.first?.metadata == ["event": "job_done", "job": "flush", "duration_ms": "0"])
    }

    @Test("do not drift, however long the runs take and however late they are woken")
    func noDrift() async throws {
        self.jobs.scheduleCronJob("slow", self.everyMinute) { [clock] in
            clock.advance(to: clock.now() + 7)
            return nil
        }
        let dueTimes = (0..<10).map { self.tick + 60 * $0 }
        try await self.whileRunning {
            for due in dueTimes {
                await self.clock.sleeping(until: due)
                self.clock.advance(to: due + 2)
            }
            await self.clock.sleeping(until: self.tick + 600)
        }
        #expect(self.runs.all.map(\.dueSecondsSince1970) == dueTimes)
        #expect(self.runs.all.allSatisfy { $0.succeeded && $0.duration == .seconds(7) && $0.skippedTicks == 0 })
        #expect(self.log.lines.allSatisfy { $0.level == .debug && $0.metadata["duration_ms"] == "7000" })
        #expect(self.log.lines.first?.message == "cron job slow: done")
    }

    @Test("never overlap with themselves, and tell how many ticks were skipped")
    func noOverlap() async throws {
        let gate = Gate()
        let trace = Recorder<String>()
        self.jobs.scheduleCronJob("flush", self.everyMinute) {
            trace.add("start")
            await gate.pass()
            trace.add("end")
            return nil
        }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.advance(to: self.tick)
            await gate.entered(1)
            // Two ticks go by while it runs.
            self.clock.advance(to: self.tick + 60)
            self.clock.advance(to: self.tick + 125)
            #expect(trace.all == ["start"])
            gate.open()
            await self.clock.sleeping(until: self.tick + 180)
            self.clock.advance(to: self.tick + 180)
            await gate.entered(2)
            // One, in the very second in which the run ends.
            self.clock.advance(to: self.tick + 240)
            gate.open()
            await self.clock.sleeping(until: self.tick + 300)
        }
        #expect(trace.all == ["start", "end", "start", "end"])
        #expect(self.runs.all.map(\.dueSecondsSince1970) == [self.tick, self.tick + 180])
        #expect(self.runs.all.map(\.skippedTicks) == [2, 1])
        #expect(self.runs.all.map(\.duration) == [.seconds(125), .seconds(60)])
        #expect(
            self.log.lines.map(\.message) == [
                "cron job flush: done; skipped 2 ticks while it ran",
                "cron job flush: done; skipped 1 tick while it ran",
            ])
        #expect(self.log.lines.map(\.level) == [.warning, .warning])
    }

    @Test("go on with their schedule after an error, which is logged")
    func errors() async throws {
        struct Refused: Error, CustomStringConvertible {
            let description = "the store refused"
        }
        let calls = Recorder<Void>()
        self.jobs.scheduleCronJob("flush", self.everyMinute) {
            calls.add(())
            if calls.all.count < 3 { throw Refused() }
            return "moved 1 batch"
        }
        try await self.whileRunning {
            for number in 0..<Int64(3) {
                await self.clock.sleeping(until: self.tick + 60 * number)
                self.clock.advance(to: self.tick + 60 * number)
            }
            await self.clock.sleeping(until: self.tick + 180)
        }
        #expect(self.runs.all.map(\.succeeded) == [false, false, true])
        #expect(self.log.lines.map(\.level) == [.error, .error, .info])
        #expect(self.log.lines.first?.message == "cron job flush failed: the store refused")
    }

    @Test("are finished, not cancelled, at shutdown")
    func shutdown() async throws {
        let gate = Gate()
        let trace = Recorder<String>()
        self.jobs.scheduleCronJob("flush", self.everyMinute) {
            await gate.pass()
            trace.add(Task.isCancelled ? "cancelled" : "finished")
            return nil
        }
        // Asleep all the while, it shows when the shutdown has arrived.
        self.jobs.scheduleCronJob("daily", try CronSchedule("@daily")) {
            trace.add("daily")
            return nil
        }
        let daily = try #require(self.jobs.nextRun(of: "daily"))
        let group = self.makeGroup()
        async let end: Void = {
            try await group.run()
            trace.add("returned")
        }()
        await self.clock.sleeping(until: self.tick, daily)
        self.clock.advance(to: self.tick)
        await gate.entered(1)
        await self.clock.sleeping(until: daily)
        await group.triggerGracefulShutdown()
        await self.clock.sleeping()
        #expect(trace.all == [])
        gate.open()
        try await end
        #expect(trace.all == ["finished", "returned"])
        #expect(self.runs.all.map(\.succeeded) == [true])
    }

    @Test("that sleep end at once when they are cancelled")
    func cancellation() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { nil }
        let task = Task { try await self.jobs.run() }
        await self.clock.sleeping(until: self.tick)
        task.cancel()
        try await task.value
        #expect(self.runs.all.isEmpty)
    }

    @Test("run side by side, so that none holds up another")
    func sideBySide() async throws {
        let gate = Gate()
        self.jobs.scheduleCronJob("stuck", self.everyMinute) {
            await gate.pass()
            return nil
        }
        self.jobs.scheduleCronJob("free", self.everyMinute) { nil }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick, self.tick)
            self.clock.advance(to: self.tick)
            await gate.entered(1)
            await self.clock.sleeping(until: self.tick + 60)
            self.clock.advance(to: self.tick + 60)
            await self.clock.sleeping(until: self.tick + 120)
            #expect(self.runs.all.map(\.name) == ["free", "free"])
            gate.open()
            await self.clock.sleeping(until: self.tick + 120, self.tick + 120)
        }
        #expect(self.runs.all.last?.name == "stuck")
        #expect(self.runs.all.last?.skippedTicks == 1)
    }

    @Test("follow a wall clock that is set forward with one run, and not one for each tick")
    func setForward() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { nil }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.set(to: self.tick + 86_400)
            await self.clock.sleeping(until: self.tick + 86_460)
        }
        #expect(self.runs.all.map(\.skippedTicks) == [0])
    }

    @Test("follow a wall clock that is set back, instead of waiting until it has caught up")
    func setBack() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { nil }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.set(to: self.tick - 86_400 - 10)
            await self.clock.sleeping(until: self.tick - 86_400)
            self.clock.advance(to: self.tick - 86_400)
            await self.clock.sleeping(until: self.tick - 86_340)
        }
        #expect(self.runs.all.map(\.dueSecondsSince1970) == [self.tick - 86_400])
    }

    @Test("follow a wall clock that is set back while they run")
    func setBackDuringRun() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { [clock, tick] in
            clock.set(to: tick - 3_610)
            return nil
        }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.advance(to: self.tick)
            await self.clock.sleeping(until: self.tick - 3_600)
        }
        #expect(self.runs.all.map(\.skippedTicks) == [0])
        #expect(self.runs.all.map(\.duration) == [.zero])
    }

    @Test("do not repeat a tick when the wall clock is corrected by two seconds")
    func corrected() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { nil }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.advance(to: self.tick)
            await self.clock.sleeping(until: self.tick + 60)
            self.clock.set(to: self.tick - 2)
            await self.clock.sleeping(until: self.tick + 60)
            self.clock.set(to: self.tick)
            await self.clock.sleeping(until: self.tick + 60)
        }
        #expect(self.runs.all.map(\.dueSecondsSince1970) == [self.tick])
    }

    @Test("stop counting skipped ticks where the count no longer means anything")
    func countEnds() async throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { [clock, tick] in
            if clock.now() == tick { clock.set(to: tick + 20 * 365 * 86_400) }
            return nil
        }
        try await self.whileRunning {
            await self.clock.sleeping(until: self.tick)
            self.clock.advance(to: self.tick)
            await self.clock.sleeping(until: self.tick + 20 * 365 * 86_400 + 60)
        }
        #expect(self.runs.all.map(\.skippedTicks) == [CronJobs.maximumSkippedTicks])
    }

    @Test("that are none wait for the shutdown all the same")
    func none() async throws {
        struct Neighbour: Service {
            let gate: Gate
            func run() async throws {
                await self.gate.pass()
                try await gracefulShutdown()
            }
        }
        let gate = Gate()
        let group = ServiceGroup(services: [self.jobs, Neighbour(gate: gate)], logger: .silent)
        // The group throws if one of its services ends before the shutdown.
        async let end: Void = group.run()
        await gate.entered(1)
        gate.open()
        await group.triggerGracefulShutdown()
        try await end
    }

    @Test("say when they run next")
    func nextRun() throws {
        self.jobs.scheduleCronJob("flush", self.everyMinute) { nil }
        #expect(self.jobs.nextRun(of: "flush") == self.tick)
        self.clock.advance(to: self.tick)
        #expect(self.jobs.nextRun(of: "flush") == self.tick + 60)
        #expect(self.jobs.nextRun(of: "other") == nil)
    }
}

@Suite("The machine's clock", .timeLimit(.minutes(1)))
struct SystemCronClockTests {
    private let clock = SystemCronClock()

    @Test("shows the present, and does not run backwards")
    func present() throws {
        #expect(self.clock.now() > (try at("2026-01-01 00:00:00")))
        let uptime = self.clock.uptime()
        #expect(uptime >= .zero && self.clock.uptime() >= uptime)
    }

    @Test("does not sleep until a moment that is past")
    func past() async throws {
        try await self.clock.sleep(untilSeconds: self.clock.now() - 1_000)
    }

    @Test("is woken by cancellation")
    func cancelled() async {
        let task = Task { [clock] in try await clock.sleep(untilSeconds: clock.now() + 3_600) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
