import Connection
import Testing
import Transport
import Wire

@testable import DemoWorker

/// The embedded worker over loopback: calls that wait, leave, run out of time, and the worker's own end.
@Suite(.timeLimit(.minutes(1)))
struct DemoWorkerServerLifeTests {
    /// Its first token comes at once, its second in eleven days.
    private static func slow(_ settings: inout WorkerSettings) { settings.decodeTokensPerSecond = 0.000_001 }
    private static let endless = SimulatedWorker.options("for ever", tokens: 2)
    private static let short = SimulatedWorker.options("one word", tokens: 1)

    @Test func `a caller that leaves frees its slot for the one that waits`() async throws {
        try await LiveWorker.with(Self.slow) { worker in
            for await event in worker.start(.predictStream, Self.endless) {
                // It has the slot.
                if case .message = event { break }
            }
            // The only slot is free again, or this would not end.
            #expect(await worker.run(.predict, Self.short).code == .ok)
        }
    }

    @Test func `a queued call has no header list before its turn`() async throws {
        try await LiveWorker.with(Self.slow) { worker in
            var first = worker.start(.predictStream, Self.endless).makeAsyncIterator()
            guard case .answered = await first.next(), case .message = await first.next() else {
                Issue.record("the first call got no slot")
                return
            }
            let second = Task { await worker.run(.predictStream, Self.short) }
            while await worker.server.load().calls < 2 { await Task.yield() }
            // Both calls are at the worker; Health is not held up by them.
            #expect(await worker.run(.health, HealthMessage()).replies == [.healthy])
            second.cancel()
            let answer = await second.value
            #expect(answer.headers.isEmpty && answer.messages.isEmpty)
            withExtendedLifetime(first) {}
        }
    }

    @Test func `a worker with one thread answers Health after the call before it`() async throws {
        func busy(_ settings: inout WorkerSettings) {
            Self.slow(&settings)
            settings.healthBehindPredict = true
        }
        try await LiveWorker.with(busy) { worker in
            var health: Task<DirectAnswer, Never>?
            for await event in worker.start(.predictStream, Self.endless) {
                guard case .message = event else { continue }
                health = Task { await worker.run(.health, HealthMessage()) }
                // Two open calls: Health waits.
                while await worker.server.load().calls < 2 { await Task.yield() }
                break
            }
            #expect(await health?.value.replies == [.healthy])
        }
    }

    @Test func `a deadline ends a call that waits, and one that nobody would answer`() async throws {
        func unloaded(_ settings: inout WorkerSettings) { settings.model = nil }
        try await LiveWorker.with(unloaded) { worker in
            var metrics = DirectCall.Request(.getMetrics, message: [])
            metrics.metadata = [("grpc-timeout", "1m")]
            #expect(await worker.run(metrics).code == .deadlineExceeded)
            metrics.metadata = [("grpc-timeout", "soon")]
            #expect(await worker.run(metrics).code == .internal)
        }
        try await LiveWorker.with(Self.slow) { worker in
            var predict = DirectCall.Request(.predictStream, message: Self.endless.encoded())
            predict.metadata = [("grpc-timeout", "20m")]
            #expect(await worker.run(predict).code == .deadlineExceeded)
            #expect(await worker.run(.predict, Self.short).code == .ok)
        }
    }

    @Test func `a worker that stops lets an open call end`() async throws {
        try await LiveWorker.with({ $0.decodeTokensPerSecond = 1_000 }) { worker in
            var said = 0
            var stop: Task<WorkerLoad, Never>?
            for await event in worker.start(.predictStream, SimulatedWorker.options("x", tokens: 40)) {
                switch event {
                case .answered: ()
                case .message(let message):
                    said += (try Reply(decoding: message)).message.count
                    if stop == nil { stop = Task { await worker.server.stop() } }
                case .ended(let end): #expect(end == .status(GRPCStatus(.ok, "")))
                }
            }
            #expect(said == 40 * 4)
            #expect(await stop?.value == WorkerLoad())
        }
    }

    @Test func `a call that is still open at the limit is cut`() async throws {
        func cut(_ settings: inout WorkerSettings) {
            Self.slow(&settings)
            settings.stopLimitMs = 0
        }
        try await LiveWorker.with(cut) { worker in
            var end: DirectCall.End?
            var stop: Task<WorkerLoad, Never>?
            for await event in worker.start(.predictStream, Self.endless) {
                switch event {
                case .answered: ()
                case .message: if stop == nil { stop = Task { await worker.server.stop() } }
                case .ended(let reason): end = reason
                }
            }
            #expect(end == .failed(.connectionLost))
            #expect(await stop?.value == WorkerLoad())
        }
    }

    @Test func `a crash is told to whoever runs the worker`() async throws {
        let (reasons, told) = AsyncStream.makeStream(of: String.self)
        func dying(_ settings: inout WorkerSettings) {
            Self.slow(&settings)
            settings.diesOfUnsafeLoad = true
        }
        try await LiveWorker.with(dying, died: { told.yield($0) }) { worker in
            for await event in worker.start(.predictStream, Self.endless) {
                guard case .message = event else { continue }
                var options = ModelOptions()
                options.model = [0x6D]
                let load = Task { await worker.run(.loadModel, options) }
                for await reason in reasons {
                    #expect(reason.contains("LoadModel"))
                    break
                }
                load.cancel()
                _ = await load.value
                break
            }
        }
    }

    @Test func `nobody listens after the end`() async throws {
        var endpoint = Endpoint(.host("127.0.0.1", port: 0))
        try await LiveWorker.with { worker in endpoint = worker.server.endpoint }
        let group = LoopGroup(count: 1)
        let answer = await DirectCall.run(DirectCall.Request(.health, message: []), to: endpoint, on: group.loops[0])
        #expect(answer.end == .failed(.connectFailed(.refused)))
        await group.shutdown()
    }
}
