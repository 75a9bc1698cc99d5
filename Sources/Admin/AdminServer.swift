import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
package import Telemetry

/// The admin port: status page, probes of an orchestrator, metrics and JSON, on a listener and a thread of its own.
///
/// It is handed snapshots and never touches the data path. In a service group it comes first, so that it is the last to
/// stop and `/ready` says `draining` while the streams finish. Hummingbird speaks HTTP on the connections; they are accepted
/// here, since a socket may be inherited and handed on, of which its own server knows nothing.
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
    private let door: AdminDoor
    private let onListening: @Sendable (AdminAddress) async -> Void

    /// - Parameters:
    ///   - access: who may use it.
    ///   - door: its listening socket, for who wants to hand it on.
    ///   - onListening: called once, before the first request is answered, with the address that is really bound.
    package init(
        _ settings: AdminSettings, source: any AdminSource, access: AdminAccess = .open, metrics: MetricRegistry,
        log: Logger, door: AdminDoor = AdminDoor(),
        onListening: @escaping @Sendable (AdminAddress) async -> Void = { _ in }
    ) {
        self.settings = settings
        self.source = source
        self.access = access
        self.metrics = metrics
        self.log = log
        self.door = door
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
        // Hummingbird logs sentences with values in them at lower levels.
        var quiet = self.log
        quiet.logLevel = max(.warning, quiet.logLevel)
        let logger = quiet
        let http = self.http(logger)
        let door = self.door
        let (connections, arrival) = AsyncStream.makeStream(of: HTTP1Channel.Value.self)
        let maxConnections = self.settings.maxConnections
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Int32(Self.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AvailableConnectionsChannelHandler(maxConnections: maxConnections))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                door.connected(channel)
                return http.setup(channel: channel, logger: logger).map { connection in
                    guard case .terminated = arrival.yield(connection) else { return }
                    // It came while the door was being closed.
                    channel.close(promise: nil)
                    Task { await http.handle(value: connection, logger: logger) }
                }
            }
        let listening: any Channel
        do {
            listening = try await door.open(bootstrap, at: self.settings.address, backlog: Self.backlog)
        } catch {
            arrival.finish()
            throw ListenFailure(address: self.settings.address, cause: "\(error)")
        }
        listening.closeFuture.whenComplete { _ in arrival.finish() }
        var bound = self.settings.address
        bound.port = listening.localAddress?.port ?? bound.port
        self.log.info("admin port open", metadata: ["address": "\(bound)"])
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await self.onListening(bound)
                await withDiscardingTaskGroup { group in
                    for await connection in connections {
                        group.addTask { await http.handle(value: connection, logger: logger) }
                    }
                }
            } onGracefulShutdown: {
                Task { await door.close() }
            }
        } onCancel: {
            listening.close(promise: nil)
        }
        // A door that is closed for a successor is no end of ours: the streams still drain.
        try? await gracefulShutdown()
    }

    private func http(_ logger: Logger) -> HTTP1Channel {
        let responder = AdminResponder(
            source: self.source, metrics: self.metrics, hosts: HostCheck(self.settings), access: self.access)
        return HTTP1Channel(
            responder: { request, writer, channel in
                let context = AdminResponder.Context(source: .init(channel: channel, logger: logger))
                var response = try await responder.respond(to: request, context: context)
                response.headers[.date] = HTTPDate.now
                do {
                    try await writer.write(response: response.head, body: response.body)
                } catch {
                    // What the reader sent may be malformed; a second answer after half of one would be no better.
                    throw AnswerCutOff()
                }
            },
            configuration: HTTP1Channel.Configuration(
                idleTimeout: .milliseconds(Int64(self.settings.idleTimeoutMs)),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 8_192, maxHeaderListSize: 16_384, maxHeaderFieldCount: 100)))
    }

    /// Connections that the kernel keeps until they are accepted.
    private static let backlog: CInt = 256
}

/// An answer that could not be written whole.
private struct AnswerCutOff: Error {}
