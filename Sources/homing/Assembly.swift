import Admin
import Foundation
import Logging
import Proxy
import ServiceLifecycle
import Telemetry
import Transport
import UnixSignals
import Upstream
import Wire

/// Builds everything of `homing serve` in one place and passes it in. Nothing else knows all the parts.
enum Assembly {
    /// Every metric that a proxy can have, from one that is assembled and not started.
    static func metrics() async throws -> [MetricDescription] {
        var settings = ServeSettings()
        var cluster = ClusterSettings()
        cluster.name = "described"
        cluster.replicas = [ReplicaSettings(address: ServeSettings.defaultListener)]
        settings.clusters = [cluster]
        settings.admin.address = nil
        let metrics = Announcement<[MetricDescription]>()
        let described = settings
        try await self.serve(described, StartConditions(), file: nil, onlyDescribing: metrics) { described }
        return await metrics.value
    }

    /// Serves until SIGTERM or SIGINT, then drains. Throws when an address cannot be bound.
    /// - Parameters:
    ///   - file: the configuration file, if there is one: it is looked at for changes.
    ///   - onlyDescribing: is told the metrics instead, and nothing is served.
    ///   - load: reads the settings again, as they were read.
    static func serve(
        _ settings: ServeSettings, _ start: StartConditions, file: ReadFile?,
        onlyDescribing metrics: Announcement<[MetricDescription]>? = nil,
        load: @escaping @Sendable () throws -> ServeSettings
    ) async throws {
        // A reader of our output, or a peer, that goes away is an error of that one write.
        signal(SIGPIPE, SIG_IGN)
        // Until we leave: one that comes while we drain must not end us.
        let upgradeSignals = await UnixSignalsSequence(trapping: .sigusr2)
        defer { withExtendedLifetime(upgradeSignals) {} }
        let plan = SocketPlan(
            listeners: settings.listeners, admin: settings.admin.address, sockets: start.sockets,
            predecessor: start.predecessor?.sockets)
        for socket in plan.spare where start.predecessor != nil { socket.close() }
        if start.predecessor == nil, let problem = plan.problem { throw ExitReason.cannotServe(problem) }
        let report = ServiceReport(start.notifyPath)
        let door = AdminDoor(inherited: plan.admin?.descriptor, isPaused: start.predecessor != nil)
        let sockets = OpenSockets(door: door, admin: settings.admin.address)
        OpenFileLimit.raise()
        let events = EventLog(level: settings.logLevel)
        let log = events.logger(label: "homing") { StreamLogHandler.standardError(label: $0) }
        let registry = MetricRegistry()
        let logFile = try self.logFile(settings.accessLog)
        let accessLog = AccessLog(
            format: settings.accessLog.telemetryFormat, sampleShare: settings.accessLog.sampleShare,
            sink: logFile ?? FileSink(descriptor: STDOUT_FILENO) as any AccessLogSink, metrics: registry)
        let certificates = try self.certificates(settings)
        let group = LoopGroup(count: settings.threads)

        let upstreamLoops = group.loops.map { LoopBound(UpstreamLoop(on: $0), on: $0) }
        let slots = ReplicaSlots()
        let clusters = zip(settings.clusters, certificates.clusters).map { section, tls in
            Cluster(settings: section, slots: slots, registry: registry, log: log, tls: tls)
        }
        let models = clusters.map { cluster in
            let path = cluster.settings.model.stateFile
            return ModelLifecycle(
                cluster: cluster, loops: upstreamLoops,
                memory: path.isEmpty ? nil : ModelStateFile(path: path, log: log))
        }
        let runtime = ProxyRuntime(
            settings: settings.proxy, loopCount: group.loops.count, directory: ClusterDirectory(clusters, settings),
            models: models, metrics: ProxyMetrics(clusters: clusters.map(\.name), registry: registry),
            accessLog: accessLog, log: log)
        let proxyLoops = zip(group.loops, upstreamLoops).map { loop, upstream in
            LoopBound(ProxyLoop(on: loop, runtime: runtime, upstream: upstream.unbound), on: loop)
        }
        let discovery = DiscoveryService(log: log)
        let sight = Sight(
            clusters: clusters, logs: proxyLoops.map(\.unbound.decisions), events: events, settings: settings)
        let fleet = FleetView(clusters: clusters, sight: sight, discovery: discovery)
        fleet.observe(in: registry, accounts: upstreamLoops.map(\.unbound.account))

        let adminAddress = Announcement<AdminAddress>()
        let adminTokens = BearerTokens(settings.admin.auth.tokens.compactMap(\.token))
        var services: [any Service] = [sight.traffic]
        if let address = settings.admin.address {
            var admin = AdminSettings()
            admin.address = try Self.adminAddress(address)
            services.append(
                AdminServer(
                    admin, source: fleet, access: AdminAccess(adminTokens), metrics: registry, log: log, door: door
                ) { adminAddress.made($0) })
        }
        for (cluster, lifecycle) in zip(clusters, models) {
            services.append(ProberService(prober: Prober(cluster: cluster, loops: upstreamLoops, models: lifecycle)))
        }
        discovery.apply(zip(clusters, settings.clusters).map { (cluster: $0, sources: $1.discovery) })
        services.append(discovery)
        let certificateReloader = CertificateReloader(certificates, registry: registry, log: log)
        services.append(certificateReloader)
        let listenerTokens = settings.listeners.map { BearerTokens($0.auth.tokens.compactMap(\.token)) }
        let tokens = TokenReloader(
            settings, listeners: listenerTokens, clusters: clusters.map(\.tokens), admin: adminTokens,
            registry: registry, log: log)
        let reloader = Reloader(
            Reloader.Parts(
                clusters: clusters, upstream: upstreamLoops, proxies: proxyLoops, runtime: runtime,
                certificates: certificateReloader, tokens: tokens, discovery: discovery, accessLog: accessLog,
                events: events, sight: sight),
            settings: settings, registry: registry, log: log, load: load)
        fleet.onReload { await reloader.reload(.api) }
        services.append(
            HangupService(log: log) {
                await report.reloading {
                    self.reopen(logFile, log)
                    _ = await reloader.reload(.signal)
                }
            })
        services.append(
            SettingsWatch(file: file, intervalMs: { sight.shown.reloadIntervalMs }, log: log) {
                await report.reloading { _ = await reloader.reload(.file) }
            })
        let status = StatusText(clusters: clusters, metrics: runtime.metrics)
        services.append(
            ProxyService(
                listeners: settings.listeners.indices.map { index in
                    ProxyService.Listening(
                        settings.listeners[index], tls: certificates.listeners[index], tokens: listenerTokens[index],
                        clusters: clusters, inherited: plan.listeners[index])
                },
                group: group, loops: proxyLoops, runtime: runtime, log: log, sockets: sockets,
                handedOverDrainMs: settings.upgrade.drainTimeoutMs, startsPaused: start.predecessor != nil,
                onReadiness: { fleet.readiness = $0 },
                beforeServing: { if start.predecessor != nil { await Succession.probed(clusters) } },
                onServing: { endpoints in
                    let admin = settings.admin.address == nil ? "off" : await adminAddress.value.description
                    let grpc = endpoints.map(\.description).joined(separator: ",")
                    let replicas = clusters.reduce(0) { $0 + $1.replicas.count }
                    self.say(
                        "homing serving grpc=\(grpc) admin=\(admin) clusters=\(clusters.count) replicas=\(replicas)")
                    if let predecessor = start.predecessor {
                        await Succession.takeOver(from: predecessor, sockets, plan, log)
                    }
                    report.begin(status: status.now)
                }))
        services.append(
            UpgradeService(
                settings.upgrade, signals: upgradeSignals, start: start, sockets: sockets, report: report,
                registry: registry, log: log))
        if report.isHeard {
            services.append(
                ReportService(
                    report: report, pulse: LoopPulse(of: group), watchdogUs: start.watchdogUs, status: { status.now }))
        }
        if let metrics {
            metrics.made(registry.descriptions())
            await accessLog.finish(within: .seconds(2))
            await group.shutdown()
            return
        }
        // At debug level the service group prints every service with all that hangs on it: megabytes, and no help.
        var lifecycleLog = log
        lifecycleLog.logLevel = max(log.logLevel, .info)
        let serviceGroup = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map {
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .cancelGroup)
                },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLog))
        do {
            try await serviceGroup.run()
        } catch {
            throw ExitReason.cannotServe("\(error)")
        }
        await accessLog.finish(within: .seconds(2))
        await group.shutdown()
    }

    private static func certificates(_ settings: ServeSettings) throws -> Certificates {
        do {
            return try Certificates(settings)
        } catch {
            throw ExitReason.cannotServe("\(error)")
        }
    }

    /// Nil means standard output, or no access log at all.
    private static func logFile(_ settings: AccessLogSettings) throws -> LogFile? {
        guard settings.enabled, let path = settings.path else { return nil }
        do throws(LogFile.Unwritable) {
            return try LogFile(path: path)
        } catch {
            throw ExitReason.cannotServe(error.description)
        }
    }

    private static func reopen(_ file: LogFile?, _ log: Logger) {
        guard let file else { return }
        do throws(LogFile.Unwritable) {
            try file.reopen()
            log.info("access log opened again", metadata: ["path": "\(file.path)"])
        } catch {
            log.error("access log not opened again, the old file stays", metadata: ["path": "\(file.path)"])
        }
    }

    private static func adminAddress(_ endpoint: Endpoint) throws -> AdminAddress {
        switch endpoint.kind {
        case .host(let host, let port): return AdminAddress(host: host, port: port)
        case .unix: throw ExitReason.cannotServe("the admin port is a host and a port, not \(endpoint)")
        }
    }

    /// Logs go to stderr, so that stdout has nothing but the serving line and the access log.
    static func log(_ level: Logger.Level) -> Logger {
        var log = Logger(label: "homing") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = level
        return log
    }

    /// One line on stdout, at once. A reader that went away changes nothing.
    static func say(_ line: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }
}

extension AccessLogSettings {
    var telemetryFormat: AccessLog.Format {
        guard self.enabled else { return .off }
        switch self.format {
        case .text: return .text
        case .json: return .json
        }
    }
}
