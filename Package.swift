// swift-tools-version: 6.3
import PackageDescription

// The modules stand in the order in which a count travels; arrows point one way only.
//
//   TallyTrack ─► TallyRedis | TallySQLite ─► TallyFlush ─► TallyMongo | TallySQLite ─► TallyServer
//   (hot path)    (buffer)                    (cron job)    (store)                    (reading, wiring)

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")

let package = Package(
    name: "tally",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "tally", targets: ["tally"]),
        // Preloaded by the check on allocations; not part of the program.
        .library(name: "AllocationCounter", type: .dynamic, targets: ["AllocationCounter"]),
        // Preloaded by the tests that take the power away, fill the disk, or set the clock.
        .library(name: "FaultyDisk", type: .dynamic, targets: ["FaultyDisk"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // With both of its traits on, SwiftPM hands them to the compiler in an order of chance, so that every other
        // build compiles Hummingbird anew. tally needs neither.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // What every part agrees on: names, counters, batches, and the two protocols of the counting path.
        .target(name: "TallyCore", dependencies: [nio, log], swiftSettings: strict),

        // Who may call: addresses, ranges, forwarded addresses.
        .target(name: "TallyAccess", swiftSettings: strict),

        // Settings: .env, environment, flags.
        .target(
            name: "TallyConfig",
            dependencies: ["TallyAccess", "TallyCore", "TallyCron"], swiftSettings: strict),

        // What is measured: swift-metrics on one side, text for Prometheus on the other.
        .target(name: "TallyMetrics", dependencies: [metrics], swiftSettings: strict),

        // 1. /track: parse, check, coalesce, answer.
        .target(
            name: "TallyTrack",
            dependencies: [
                "TallyCore", "TallyAccess", "TallyMetrics", nio, log, metrics,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "DequeModule", package: "swift-collections"),
            ], swiftSettings: strict),

        // 2. The buffer on Redis.
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .target(
            name: "TallyRedis",
            dependencies: [
                "CHiredis", "TallyCore", nio, nioPosix, log,
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            resources: [.embedInCode("Scripts")], swiftSettings: strict),

        // 2 and 4. The embedded buffer and the embedded store, in one file.
        .target(
            name: "TallySQLite",
            dependencies: ["TallyCore", nio, log, .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),

        // 3. The flush: buffer to store.
        .target(name: "TallyFlush", dependencies: ["TallyCore", log], swiftSettings: strict),
        .target(
            name: "TallyCron",
            dependencies: ["TallyCore", log, .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")],
            swiftSettings: strict),

        // 4. The store on MongoDB.
        .systemLibrary(name: "CMongoc", pkgConfig: "libmongoc-1.0", providers: [.apt(["libmongoc-dev"])]),
        .target(
            name: "TallyMongo", dependencies: ["CMongoc", "TallyCore", nioPosix, log], swiftSettings: strict),

        // Counts as files, out of the store and into it.
        .target(name: "TallyExchange", dependencies: ["TallyCore", "TallyTrack"], swiftSettings: strict),

        // 5. Reading, health, and the one place where everything is wired.
        .target(
            name: "TallyServer",
            dependencies: [
                "TallyAccess", "TallyConfig", "TallyCore", "TallyCron", "TallyFlush", "TallyMetrics", "TallyMongo",
                "TallyRedis", "TallySQLite", "TallyTrack", metrics,
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("HTTP/openapi.json")], swiftSettings: strict),
        .executableTarget(
            name: "tally",
            dependencies: [
                "TallyAccess", "TallyConfig", "TallyCore", "TallyExchange", "TallyFlush", "TallyMongo", "TallyRedis",
                "TallyServer", "TallySQLite",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Real servers, a cable to cut, and traffic with a ledger, for the tests.
        .target(
            name: "TallyTestSupport",
            dependencies: [
                "TallyCore", nio, nioPosix, .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Tests/TallyTestSupport", swiftSettings: strict),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(name: "FaultyDisk", path: "Tests/FaultyDisk"),
        .testTarget(name: "TallyCoreTests", dependencies: ["TallyCore", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(name: "TallyFlushTests", dependencies: ["TallyFlush"], swiftSettings: strict),
        .testTarget(
            name: "TallyAccessTests", dependencies: ["TallyAccess", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallyConfigTests", dependencies: ["TallyConfig", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallyMetricsTests", dependencies: ["TallyMetrics", "TallyTestSupport", metrics],
            swiftSettings: strict),
        .testTarget(name: "TallyCronTests", dependencies: ["TallyCron", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallyTrackTests", dependencies: ["TallyTrack", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallyExchangeTests", dependencies: ["TallyExchange", "TallySQLite", "TallyTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "TallySQLiteTests", dependencies: ["TallyFlush", "TallySQLite", "TallyTestSupport", log],
            swiftSettings: strict),
        .testTarget(
            name: "TallyMongoTests", dependencies: ["TallyMongo", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallyRedisTests", dependencies: ["TallyRedis", "TallyTestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TallySimulationTests",
            dependencies: ["TallyFlush", "TallyMongo", "TallyRedis", "TallyTestSupport", nio, log],
            swiftSettings: strict),
        .testTarget(
            name: "TallyServerTests",
            dependencies: [
                "TallyFlush", "TallyMetrics", "TallyServer", "TallySQLite", "TallyTestSupport", "tally",
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: strict),
        // Attacks the promise "an acknowledged count is kept, once".
        .testTarget(
            name: "TallyTortureTests", dependencies: ["TallyCore", "TallyTestSupport", "tally"], swiftSettings: strict),
    ]
)

// Built by Scripts/fuzz alone: its function `main` comes from libFuzzer.
if Context.environment["TALLY_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzzing", dependencies: ["TallyAccess", "TallyConfig", "TallyTrack"], path: "Tests/Fuzzing",
            swiftSettings: strict))
}
