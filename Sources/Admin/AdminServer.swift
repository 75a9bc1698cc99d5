import Hummingbird
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
package import Telemetry

/// The admin port: status page, probes of an orchestrator, metrics and JSON, on a listener and a thread of its own.
///
/// It is handed snapshots and never touches the data path. In a service group it comes first, so that it is the last to
/// stop and `/ready` says `draining` while the streams finish. SwiftNIO is imported for that one thread and for the
/// port that the system chose; hummingbird does the rest.
package struct AdminServer: Service {
    /// The admin port could not be opened.
    package struct ListenFailure: Error, CustomStringConvertible {
        package let address: AdminAddress
        package let cause: String

        package var description: String { "cannot listen on \(self.address) for the admin port: \(self.cause)" }
    }

    private let settings: AdminSettings
    private let source: any AdminSource
    private let access: AdminAccess
    private let metrics: MetricRegistry
    private let log: Logger
    private let onListening: @Sendable (AdminAddress) async -> Void

    /// - Parameters:
    ///   - access: who may use it.
    ///   - onListening: called once, before the first request is answered, with the address that is really bound.
    package init(
        _ settings: AdminSettings, source: any AdminSource, access: AdminAccess = .open, metrics: MetricRegistry,
        log: Logger,
        onListening: @escaping @Sendable (AdminAddress) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.source = source
        self.access = access
        self.metrics = metrics
        self.log = log
        self.onListening = onListening
    }

    /// Serves until the service group shuts down gracefully (answers under way are finished) or the task is cancelled.
    /// Throws `ListenFailure` when the port cannot be opened.
    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            try await self.serve(on: group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let settings = self.settings
        let log = self.log
        let onListening = self.onListening
        let listening = Once()
        // Hummingbird logs sentences with values in them at lower levels.
        var quiet = self.log
        quiet.logLevel = max(.warning, quiet.logLevel)
        let application = Application(
            responder: AdminResponder(
                source: self.source, metrics: self.metrics, hosts: HostCheck(settings), access: self.access),
            server: .http1(
                configuration: .init(
                    idleTimeout: .milliseconds(Int64(settings.idleTimeoutMs)),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 8_192, maxHeaderListSize: 16_384, maxHeaderFieldCount: 100))),
            configuration: ApplicationConfiguration(
                address: .hostname(settings.address.host, port: settings.address.port),
                availableConnectionsDelegate: .maximum(settings.maxConnections, logger: quiet)),
            onServerRunning: { channel in
                listening.mark()
                var bound = settings.address
                bound.port = channel.localAddress?.port ?? bound.port
                log.info("admin port open", metadata: ["address": "\(bound)"])
                await onListening(bound)
            },
            eventLoopGroupProvider: .shared(group),
            logger: quiet)
        do {
            try await application.run()
        } catch {
            if listening.isMarked || error is CancellationError { throw error }
            throw ListenFailure(address: settings.address, cause: "\(error)")
        }
    }
}

/// Something that has happened or not.
private final class Once: Sendable {
    private let happened = Atomic(false)

    var isMarked: Bool { self.happened.load(ordering: .acquiring) }

    func mark() { self.happened.store(true, ordering: .releasing) }
}
