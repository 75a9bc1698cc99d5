import Connection
import Testing
import Transport
import Wire

@testable import DemoWorker

/// A `DemoWorkerServer` on a free port of loopback and the caller's loop. Made by `with`, which ends by asserting that
/// the worker is left with nothing.
struct LiveWorker: Sendable {
    let server: DemoWorkerServer
    let loop: Loop

    /// A loaded model `m` whose tokens take no time, unless changed.
    static func with(
        _ change: (inout WorkerSettings) -> Void = { _ in }, died: @escaping @Sendable (String) -> Void = { _ in },
        _ body: (LiveWorker) async throws -> Void
    ) async throws {
        var settings = WorkerSettings()
        settings.listen = Endpoint(.host("127.0.0.1", port: 0))
        settings.model = "m"
        settings.prefillTokensPerSecond = 0
        settings.decodeTokensPerSecond = 0
        change(&settings)
        let callers = LoopGroup(count: 1)
        let server = try await DemoWorkerServer.start(settings, died: died)
        do {
            try await body(LiveWorker(server: server, loop: callers.loops[0]))
        } catch {
            Issue.record(error)
        }
        #expect(await server.stop() == WorkerLoad())
        await callers.shutdown()
    }

    func run(_ request: DirectCall.Request) async -> DirectAnswer {
        await DirectCall.run(Self.bounded(request), to: self.server.endpoint, on: self.loop)
    }

    func run(_ method: BackendMethod, _ message: some BackendMessage) async -> DirectAnswer {
        await self.run(DirectCall.Request(method, message: message.encoded()))
    }

    func start(_ method: BackendMethod, _ message: some BackendMessage) -> AsyncStream<DirectCall.Event> {
        let request = DirectCall.Request(method, message: message.encoded())
        return DirectCall.start(Self.bounded(request), to: self.server.endpoint, on: self.loop)
    }

    /// A test that waits for an answer that never comes should fail and not hang.
    private static func bounded(_ request: DirectCall.Request) -> DirectCall.Request {
        var request = request
        if request.timeoutMs == 0, !request.metadata.contains(where: { $0.name == "grpc-timeout" }) {
            request.timeoutMs = 60_000
        }
        return request
    }
}

extension DirectAnswer {
    var replies: [Reply] { self.messages.compactMap { try? Reply(decoding: $0) } }
    var said: String { String(decoding: self.replies.flatMap(\.message), as: UTF8.self) }
    var code: GRPCStatusCode? { self.status?.code }
}
