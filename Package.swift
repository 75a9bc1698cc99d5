// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is built the same way; see DESIGN in Sources/homing/homing.docc.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The same for what is on the path of every stream. Two things are different in release builds, by instructions of a call
/// (`scripts/bench instructions`; Performance.md):
/// - The run-time checks of exclusive access are left out (the compiler's own stay): 193 of them per call took 17,000 of
///   71,000. Debug builds, and so every test, have them.
/// - Functions are inlined across targets, 2,100 of 44,100. The compiler does so with `public` ones only, not with
///   `package` ones, so that is what these targets say to each other.
let fast: [SwiftSetting] =
    strict + [
        .unsafeFlags(
            ["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release))
    ]

/// Links libnghttp2 into the program, which spares its calls of itself a table: 1,800 of 42,000 instructions of a call. Off,
/// for the system's security updates do not reach such a program before it is built again.
let staticHTTP2 = Context.environment["HOMING_STATIC_HTTP2"] != nil

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let serviceLifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
    name: "homing",
    products: [.executable(name: "homing", targets: ["homing"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C libraries, from Debian's packages (scripts/setup installs them).
        .systemLibrary(
            name: "CNghttp2", path: staticHTTP2 ? "Sources/CNghttp2Static" : "Sources/CNghttp2",
            pkgConfig: staticHTTP2 ? nil : "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "CBackend", dependencies: ["CProtobufC"]),
        // What no Swift may run between: fork and exec.
        .target(name: "CSpawn"),
        // What Swift's Glibc leaves out: epoll and its companions.
        .target(name: "CLinux"),
        // Memory in cells that a thread keeps for itself.
        .target(name: "CCells"),

        // Leaves: they know nothing of each other.
        .target(name: "Transport", dependencies: ["CLinux", "COpenSSL", "CSpawn"], swiftSettings: fast),
        .target(name: "Wire", dependencies: ["CNghttp2", "CProtobufC", "CBackend", "CCells"], swiftSettings: fast),
        .target(name: "Routing", dependencies: ["CXXHash"], swiftSettings: fast),
        .target(name: "Config", dependencies: [yams], swiftSettings: strict),
        .target(name: "Telemetry", swiftSettings: fast),

        // The data path, from the replicas towards the caller.
        .target(name: "Connection", dependencies: ["Wire", "Transport"], swiftSettings: fast),
        .target(
            name: "Upstream", dependencies: ["Connection", "Wire", "Transport", "Routing", "Telemetry", logging],
            swiftSettings: fast),
        .target(
            name: "Proxy",
            dependencies: ["Upstream", "Connection", "Wire", "Transport", "Routing", "Telemetry", logging],
            swiftSettings: fast),

        // Plugged in.
        .target(
            name: "Admin",
            dependencies: ["Telemetry", hummingbird, hummingbirdCore, nioCore, nioPosix, logging, serviceLifecycle],
            // Files of the status page: part of the program, so that nothing lies beside it.
            resources: [
                .embedInCode("Page/page.html"), .embedInCode("Page/page.css"), .embedInCode("Page/live.js"),
                .embedInCode("Page/facts.js"), .embedInCode("Page/pictures.js"),
            ],
            swiftSettings: strict),
        .target(name: "Discovery", dependencies: ["CCares", "CPostgres", logging], swiftSettings: strict),
        .target(name: "Replay", dependencies: ["Routing"], swiftSettings: strict),
        .target(
            name: "DemoWorker", dependencies: ["Connection", "Wire", "Transport", logging], swiftSettings: strict),

        // The only place that knows everything.
        .executableTarget(
            name: "homing",
            dependencies: [
                "Proxy", "Upstream", "Connection", "Wire", "Transport", "Routing", "Config", "Telemetry", "Admin",
                "DemoWorker", "Discovery", "Replay", argumentParser, logging, serviceLifecycle, unixSignals,
            ],
            swiftSettings: strict),

        // What scripts/bench routing and decision run: builds without the proxy.
        .executableTarget(
            name: "RoutingBench", dependencies: ["Replay", "Routing"], path: "Tests/Benchmarks/Routing",
            swiftSettings: strict),

        // What tests of the data path share: scripted workers, a small caller, a proxy in front of them.
        .target(
            name: "TestSupport",
            dependencies: ["Proxy", "Upstream", "Connection", "Wire", "Transport", "Routing", "Telemetry", logging],
            path: "Tests/Support", swiftSettings: strict),
        .testTarget(
            name: "UpstreamTests",
            dependencies: [
                "TestSupport", "Upstream", "Connection", "Wire", "Transport", "Routing", "Telemetry", logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ProxyTests",
            dependencies: ["TestSupport", "Proxy", "Upstream", "Wire", "Transport", "Routing", "Telemetry", logging],
            swiftSettings: strict),
        .testTarget(name: "RoutingTests", dependencies: ["Routing"], swiftSettings: strict),
        .testTarget(name: "DiscoveryTests", dependencies: ["Discovery", logging], swiftSettings: strict),
        .testTarget(name: "ReplayTests", dependencies: ["Replay", "Routing"], swiftSettings: strict),
        .testTarget(name: "WireTests", dependencies: ["Wire", "CCells"], swiftSettings: strict),
        .testTarget(
            name: "DemoWorkerTests", dependencies: ["DemoWorker", "Connection", "Wire", "Transport"],
            swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"], swiftSettings: strict),
        .testTarget(
            name: "AdminTests", dependencies: ["Admin", "Telemetry", nioCore, nioPosix, logging, serviceLifecycle],
            swiftSettings: strict),
        .testTarget(name: "TransportTests", dependencies: ["Transport"], swiftSettings: strict),
        .testTarget(name: "ConfigTests", dependencies: ["Config"], swiftSettings: strict),
        .testTarget(
            name: "HomingTests",
            dependencies: [
                "homing", "Proxy", "Upstream", "Connection", "Wire", "Routing", "Transport", "Config", "DemoWorker",
                "Discovery", "Replay", "Telemetry", "Admin", argumentParser, logging,
            ],
            swiftSettings: strict),
    ]
)

// What scripts/fuzz builds, with libFuzzer's main: an ordinary build could not link it.
if Context.environment["HOMING_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["Wire", "Config", "Discovery"], path: "Tests/Fuzz",
            exclude: ["Found", "Seeds"], swiftSettings: strict))
}
