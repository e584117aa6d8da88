/// One tally: its lanes to Redis, and its spool while Redis is away.
final class SimulatedInstance {
    private unowned let world: World
    let spool: ModelSpool
    private(set) var lanes: [SimulatedLane] = []
    private(set) var isUp = false

    init(world: World) {
        self.world = world
        self.spool = ModelSpool(epoch: world.newEpoch(), broken: world.broken)
    }

    func start() {
        guard !self.isUp else { return }
        self.isUp = true
        self.spool.open()
        self.lanes = (0..<self.world.profile.lanes).map { _ in SimulatedLane(world: self.world, instance: self) }
    }

    /// Killed; what lies in its file stays.
    func end() {
        guard self.isUp else { return }
        self.isUp = false
        for lane in self.lanes { lane.end() }
        self.lanes = []
    }

    func take(_ request: Request) {
        let lane = self.lanes[self.world.chance.below(self.lanes.count)]
        self.world.note("request \(request.text)")
        if lane.isConnected { lane.take(request) } else { self.spoolOrRefuse(request) }
    }

    func spoolOrRefuse(_ request: Request) {
        if !self.world.isHealing, self.world.chance.percent(self.world.profile.spoolFullPercent) {
            request.answer = .refused
            self.world.note("  \(request.text) refused")
            return
        }
        self.spool.count(request, hour: self.world.hour, newEpoch: self.world.newEpoch)
        request.answer = .counted
        self.world.note("  \(request.text) spooled")
    }
}
