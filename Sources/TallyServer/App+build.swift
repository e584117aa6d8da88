import CoreMetrics
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import TallyAccess
public import TallyConfig
import TallyCore
import TallyCron
import TallyFlush
import TallyMetrics
import TallySQLite
import TallyTrack

extension App {
    /// How long stopping may take: what is in flight has its answer within 5 s, the last flush 10 s.
    static let maximumShutdown: Duration = .seconds(20)

    /// Wires the parts in the order in which a count travels.
    /// - Parameters:
    ///   - version: of the program, for the metrics.
    ///   - onRunning: called with the address it listens at, once it does.
    /// - Throws: `StartError`.
    public static func build(
        _ settings: Settings, version: String, logger: Logger,
        onRunning: @escaping @Sendable (RunningService) -> Void = { _ in }
    ) async throws -> App {
        // Half the processors: the buffer, the flush and the kernel's network need the others, and the fewer loops there
        // are, the larger are the batches. Measured in docs/performance.md.
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: settings.eventLoops ?? max(1, System.coreCount / 2))
        let maximumConnections = FileLimit.connections(wanted: settings.maxConnections, logger: logger)
        let exit = ExitReason()
        let stop = Stop()

        // What is measured.
        let registry = MetricRegistry()
        BuildInfo.register(version: version, in: registry)
        let process = ProcessFigures(registry)
        registry.beforeWriting { process.refresh() }

        let accessLogFile = try settings.accessLog.map { try AccessLogFile(path: $0, logger: logger) }
        let accessLog = accessLogFile.map { file in
            AccessLog(every: settings.accessLogEvery, format: settings.logFormat) { file.write($0) }
        }

        // Buffer and store.
        let storage = try Self.open(settings, eventLoop: group.next(), logger: logger)
        try await Self.refuseForeignBuffer(storage)

        // /track: one loop, one lane.
        let loops = try await TrackLoops(
            group: group, buffer: storage.buffer, spool: storage.spool, meter: TrackMeter(registry),
            accessLog: accessLog, logger: logger)

        // The flush.
        let flusher = Flusher(
            buffers: storage.buffers, store: storage.store, logger: logger, traffic: loops.traffic, now: Timestamp.now)
        let cron = CronJobs(logger: logger, onRun: { JobMeter.note($0, in: registry) })
        let flushing = Flushing(flusher: flusher, thread: BackgroundThread(), meter: FlushMeter(registry)) { error in
            exit.set(StartError(.configuration, error.description))
            stop.now()
        }
        let auditor = Auditor(buffers: storage.buffers, store: storage.store, now: Timestamp.now)
        let auditing = Auditing(auditor: auditor, meter: AuditMeter(registry))
        try Jobs.register(on: cron, settings: settings, flushing: flushing, auditing: auditing)

        // HTTP.
        let certificate = try settings.tls.map { files in
            try TLSCertificate(certificateFile: files.certificate, keyFile: files.key)
        }
        if let certificate { try Jobs.registerRenewal(of: certificate, on: cron) }
        JobMeter.begin(cron.names, in: registry)
        let resolver = ClientAddressResolver(trustedProxies: settings.trustedProxies)
        let trackAccess = AccessRule(allowed: settings.trackAllowed, resolver: resolver)
        let readAccess = AccessRule(allowed: settings.readAllowed, resolver: resolver)
        let connections = try await Connections(
            group: group, maximum: maximumConnections, idleSeconds: settings.idleTimeoutSeconds,
            requestSeconds: settings.requestTimeoutSeconds)
        let connectionMeter = Meter(.connections, in: registry)
        registry.beforeWriting { connectionMeter.set(connections.count) }
        var http = Application(
            router: Routes.router(
                buffer: storage.buffer, store: storage.store, auditor: auditor,
                measured: MetricsController(registry: registry, storage: StorageMeter(storage, registry)),
                accessLog: accessLog, readAccess: readAccess),
            server: HTTPServerBuilder {
                TrackingChannel(
                    responder: $0, loops: loops, connections: connections, access: trackAccess, certificate: certificate
                )
            },
            configuration: .init(address: .hostname(settings.host, port: settings.port), backlog: 4096),
            onServerRunning: { channel in
                // Redis speaks for itself when a lane cannot reach it; MongoDB would not be asked before a flush.
                Task {
                    do { try await storage.store.ping() } catch { logger.log(.storeUnreadable, "\(error)") }
                }
                onRunning(
                    RunningService(
                        host: settings.host, port: channel.localAddress?.port ?? settings.port,
                        isEncrypted: certificate != nil,
                        nextFlush: cron.nextRun(of: "flush"), storage: storage))
            },
            eventLoopGroupProvider: .shared(group),
            logger: Self.quiet(logger))

        http.beforeServerStarts { await Self.waitForLanes(loops) }

        // Services stop in the reverse order: HTTP first, then the last flush, then the last lines of the access log.
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: AccessLogService(file: accessLogFile)),
                .init(service: StorageService(storage: storage, flushing: flushing, logger: logger)),
                .init(service: cron),
                .init(service: LanesService(loops: loops)),
                .init(service: HTTPService(application: http, settings: settings, exit: exit)),
                .init(service: stop, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Self.quiet(logger))
        configuration.maximumGracefulShutdownDuration = Self.maximumShutdown
        return App(services: ServiceGroup(configuration: configuration), exit: exit)
    }

    private static func open(_ settings: Settings, eventLoop: any EventLoop, logger: Logger) throws -> Storage {
        do {
            return try Storage(settings, opensSpool: true, eventLoop: eventLoop, logger: logger)
        } catch let error as EmbeddedDatabaseError {
            throw StartError(.unavailable, error.description)
        } catch let error as StoreError {
            throw StartError(error.code == .configuration ? .configuration : .unavailable, error.description)
        }
    }

    /// Gives the lanes a moment, so that the first request is not refused while they connect. With Redis away the
    /// service starts all the same.
    private static func waitForLanes(_ loops: TrackLoops) async {
        for _ in 0..<50 where await !loops.allConnected() { try? await Task.sleep(for: .milliseconds(10)) }
    }

    /// A Redis that is away is no reason not to start. One that belongs to another deployment is.
    private static func refuseForeignBuffer(_ storage: Storage) async throws {
        do {
            try await storage.buffer.ping()
        } catch let error as BufferError where error.code == .ownedByAnother {
            throw StartError(.configuration, error.description)
        } catch {}
    }

    /// The libraries' own lines are for their authors, unless someone looks for trouble.
    private static func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet[metadataKey: "event"] = .string(LoggedEvent.library.name)
        quiet.logLevel = max(logger.logLevel, logger.logLevel <= .debug ? logger.logLevel : .warning)
        return quiet
    }
}

/// What is known once the service listens.
public struct RunningService: Sendable {
    public let host: String
    public let port: Int
    /// Whether it speaks HTTPS.
    public let isEncrypted: Bool
    /// In seconds since 1970.
    public let nextFlush: Int64?
    public let storage: Storage

    /// `http://127.0.0.1:8080`.
    public var url: String {
        "\(self.isEncrypted ? "https" : "http")://\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(self.port)"
    }
}
