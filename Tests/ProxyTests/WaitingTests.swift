import Proxy
import Routing
import Telemetry
import TestSupport
import Testing
import Upstream
import Wire

/// Streams that wait in the proxy because every replica has as many as it may have. A call that its caller does not end
/// keeps its place on an echoing worker.
@Suite struct WaitingTests {
    private static let path = "/backend.Backend/PredictStream"

    private static func limit(_ count: Int, _ change: @escaping (inout AdmissionSettings) -> Void = { _ in })
        -> (inout Fleet.Plan) -> Void
    {
        { plan in
            plan.cluster.routing.admission.maxInFlight = .streams(count)
            change(&plan.cluster.routing.admission)
        }
    }

    /// A call that goes on until its caller ends it.
    private static func open(
        _ caller: Caller, _ prompt: String, headers: ScriptedAnswer.Fields = []
    ) async -> OpenCall {
        let call = await caller.start(Self.path, headers: headers)
        await call.send(Fleet.predictBody(prompt))
        return call
    }

    private static func waits(_ count: Int, _ fleet: Fleet) async throws {
        try await until("\(count) wait") { fleet.cluster.waitingCount == count }
    }

    @Test(arguments: PolicyName.allCases)
    func `no worker has more than its limit, and all calls are answered`(policy: PolicyName) async throws {
        try await Fleet.run(
            .echoing, .echoing,
            plan: {
                Self.limit(1)(&$0); $0.cluster.routing.policy = policy
            }
        ) {
            fleet in
            let caller = try await fleet.caller()
            var calls: [OpenCall] = []
            for number in 0..<6 {
                calls.append(await Self.open(caller, "prompt \(number)", headers: [("x-homing-explain", "1")]))
            }
            try await Self.waits(4, fleet)
            #expect(fleet.leases == 2 && fleet.metric("homing_queue_wait_seconds_count{cluster=\"main\"}") == 0)
            for call in calls {
                try await until("it is being answered") { await call.soFar().httpStatus == "200" }
                #expect(fleet[0].calls().count { $0.closure == nil } <= 1)
                #expect(fleet[1].calls().count { $0.closure == nil } <= 1)
                await call.end()
                #expect(try await call.result().status == .ok)
            }
            let waited = try await calls[5].result().header("x-homing-wait-ms")
            #expect(waited.flatMap { Int($0) } != nil)
            #expect(try await calls[0].result().header("x-homing-wait-ms") == nil)
            #expect(fleet.metric("homing_queue_wait_seconds_count{cluster=\"main\"}") == 4)
            #expect(fleet.metric("homing_queue_dispatches_total{cause=\"replica_free\",cluster=\"main\"}") == 4)
            // A line is written when both legs are over, which a caller may hear of before.
            try await until("all lines are written") { fleet.accessLog.lines.count == 6 }
            #expect(fleet.accessLog.lines.count { !$0.contains("queue_wait_ms=-") } == 4)
        }
    }

    @Test func `a full queue answers RESOURCE_EXHAUSTED and says when to ask again`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1) { $0.maxWaiting = 1 }) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            let second = await Self.open(caller, "b")
            try await Self.waits(1, fleet)
            let refused = try await fleet.predict("c")
            #expect(refused.status == .resourceExhausted && refused.isHeadersOnly)
            let pushback = try #require(refused.header("grpc-retry-pushback-ms").flatMap { Int($0) })
            #expect((50...60_000).contains(pushback))
            #expect(fleet.metric("homing_queue_refusals_total{cause=\"queue_full\",cluster=\"main\"}") == 1)
            #expect(fleet.metric("homing_local_replies_total{cause=\"queue_full\"}") == 1)
            for call in [first, second] {
                await call.end()
                #expect(try await call.result().status == .ok)
            }
        }
    }

    @Test func `nobody waits for longer than the settings say`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1) { $0.maxWaitMs = 30 }) { fleet in
            let first = await Self.open(try await fleet.caller(), "a")
            try await until("it has its worker") { fleet.leases == 1 }
            let refused = try await fleet.predict("b")
            #expect(refused.status == .resourceExhausted)
            #expect(refused.statusText == "every replica was busy for longer than a call may wait")
            #expect(refused.header("grpc-retry-pushback-ms") != nil && fleet.cluster.waitingCount == 0)
            await first.end()
            #expect(try await first.result().status == .ok)
        }
    }

    @Test func `a deadline that passes while a call waits ends it`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let first = await Self.open(try await fleet.caller(), "a")
            try await until("it has its worker") { fleet.leases == 1 }
            let late = try await fleet.predict("b", headers: [("grpc-timeout", "40m")])
            #expect(late.status == .deadlineExceeded && fleet.cluster.waitingCount == 0)
            #expect(fleet[0].calls().count == 1)
            await first.end()
            #expect(try await first.result().status == .ok)
        }
    }

    @Test func `a caller that leaves while it waits leaves its place to the next`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            try await until("it has its worker") { fleet.leases == 1 }
            let leaver = await Self.open(caller, "b")
            try await Self.waits(1, fleet)
            let gone = try await fleet.caller()
            _ = await Self.open(gone, "c")
            try await Self.waits(2, fleet)
            let last = await Self.open(caller, "d")
            try await Self.waits(3, fleet)
            await leaver.cancel()
            await gone.close()
            try await Self.waits(1, fleet)
            await first.end()
            try await until("the last one is answered") { await last.soFar().httpStatus == "200" }
            #expect(fleet[0].calls().count == 2)
            await last.end()
            #expect(try await last.result().status == .ok)
        }
    }

    @Test func `callers take turns, told apart by their token`() async throws {
        // A policy whose idea of the work does not change while the test runs.
        try await Fleet.run(
            .echoing,
            plan: {
                Self.limit(1)(&$0); $0.cluster.routing.policy = .leastInFlight
            }
        ) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            try await until("it has its worker") { fleet.leases == 1 }
            var calls: [OpenCall] = []
            for (number, token) in ["x", "x", "x", "x", "y", "y"].enumerated() {
                calls.append(await Self.open(caller, "\(number)", headers: [("authorization", "Bearer \(token)")]))
                try await Self.waits(number + 1, fleet)
            }
            await first.end()
            var left = Array(calls.indices)
            for _ in 1...6 {
                var answered: Int?
                try await until("another one has the worker") {
                    for number in left where await calls[number].soFar().httpStatus == "200" { answered = number }
                    return answered != nil
                }
                guard let answered else { continue }
                left.removeAll { $0 == answered }
                await calls[answered].end()
            }
            let order = fleet[0].calls().compactMap { call in
                call.headers.first { $0.name == "authorization" }?.value.last
            }
            #expect(String(order) == "xyxyxx")
            for call in calls { #expect(try await call.result().status == .ok) }
        }
    }

    @Test func `what a caller sends while it waits reaches its worker`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            try await until("it has its worker") { fleet.leases == 1 }
            // Holds nothing before it waits: its first bytes come while it does.
            let call = await caller.start("/backend.Backend/AudioToAudioStream")
            try await Self.waits(1, fleet)
            var body: [UInt8] = []
            for number in 0..<40 {
                let piece = GRPCFrame.framed([UInt8](repeating: UInt8(number), count: 20_000))
                body += piece
                await call.send(piece)
            }
            await call.end()
            try await until("its window is full") { fleet.runtime.metrics.heldBytes.value > 200_000 }
            #expect(fleet.runtime.metrics.heldBytes.value <= 512 * 1024)
            await first.end()
            let result = try await call.result()
            #expect(result.status == .ok && result.body == body)
        }
    }

    @Test func `a request that ends in the middle of a message is refused while it waits`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            try await until("it has its worker") { fleet.leases == 1 }
            let call = await caller.start("/backend.Backend/AudioToAudioStream")
            try await Self.waits(1, fleet)
            await call.send(GRPCFrame.framed([1, 2, 3]) + [0, 0])
            await call.end()
            #expect(try await call.result().status == .internal && fleet.cluster.waitingCount == 0)
            await first.end()
            #expect(try await first.result().status == .ok)
        }
    }

    @Test func `calls that need no slot pass those that wait`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let first = await Self.open(try await fleet.caller(), "a")
            try await until("it has its worker") { fleet.leases == 1 }
            #expect(try await fleet.call("ModelMetadata", GRPCFrame.framed([])).status == .ok)
            await first.end()
            #expect(try await first.result().status == .ok)
        }
    }

    @Test func `a call whose replica failed goes before those that wait, and elsewhere`() async throws {
        try await Fleet.run(
            .refusesStream, .echoing,
            plan: {
                Self.limit(1)(&$0); $0.cluster.routing.policy = .roundRobin
            }
        ) { fleet in
            let caller = try await fleet.caller()
            // The first worker refuses it, so it goes to the second one and fills it.
            let first = await Self.open(caller, "a")
            try await until("it is being answered") { await first.soFar().httpStatus == "200" }
            #expect(fleet.position(of: await first.soFar()) == 1)
            let second = await Self.open(caller, "b")
            try await until("it was refused, and waits") {
                fleet[0].calls().count == 2 && fleet.cluster.waitingCount == 1
            }
            await first.end()
            try await until("it is being answered") { await second.soFar().httpStatus == "200" }
            #expect(fleet.metric("homing_queue_dispatches_total{cause=\"retry\",cluster=\"main\"}") == 1)
            await second.end()
            #expect(try await second.result().body == Fleet.predictBody("b"))
        }
    }

    @Test func `when the last replica is lost those that wait hear what new ones hear`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let caller = try await fleet.caller()
            let first = await Self.open(caller, "a")
            try await until("it is being answered") { await first.soFar().httpStatus == "200" }
            let second = await Self.open(caller, "b")
            let third = await Self.open(caller, "c")
            try await Self.waits(2, fleet)
            await fleet[0].stop()
            #expect(try await first.result().status == .aborted)
            for call in [second, third] { #expect(try await call.result().status == .unavailable) }
        }
    }

    @Test func `a drain lets those that wait be served`() async throws {
        try await Fleet.run(.echoing, plan: Self.limit(1)) { fleet in
            let caller = try await fleet.caller()
            let calls = [await Self.open(caller, "a"), await Self.open(caller, "b"), await Self.open(caller, "c")]
            try await Self.waits(2, fleet)
            await fleet.startDrain()
            await fleet.finishDrain()
            for call in calls { await call.end() }
            for call in calls { #expect(try await call.result().status == .ok) }
        }
    }

    @Test func `places are handed over between loops, and none is lost when callers leave at that moment`() async throws
    {
        try await Fleet.run(
            .echoing, .echoing,
            plan: {
                Self.limit(2) { $0.maxWaiting = 500 }(&$0); $0.loops = 3
            }
        ) {
            fleet in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let caller = try await fleet.caller()
                        var answered = 0
                        for turn in 0..<25 {
                            let call = await Self.open(caller, "\(number) \(turn)")
                            switch (number + turn) % 5 {
                            case 0: await call.cancel()
                            case 1:
                                await call.end()
                                await call.cancel()
                            default:
                                await call.end()
                                let result = try await call.result()
                                #expect(result.status == .ok)
                                answered += 1
                            }
                        }
                        return answered
                    }
                }
                var answered = 0
                for try await count in group { answered += count }
                #expect(answered == 12 * 15)
            }
        }
    }

    @Test func `a prompt is held while the replicas have enough to do, and not for longer than it may be`() async throws
    {
        try await Fleet.run(
            .neverAnswers, .neverAnswers,
            plan: {
                $0.cluster.routing.policy = .expectedTTFT
                $0.cluster.routing.expectedTTFT.maxWaitMs = 60
                $0.cluster.routing.expectedTTFT.startsInLine = true
                $0.cluster.routing.expectedTTFT.prefillTokensPerSecond = 100
            }
        ) { fleet in
            let caller = try await fleet.caller()
            // A minute of work for each, as is believed at first.
            var calls: [OpenCall] = []
            for letter in ["a", "b", "c"] {
                calls.append(await Self.open(caller, String(repeating: letter, count: 24_000)))
            }
            try await until("the third one has waited") {
                fleet.metric("homing_queue_dispatches_total{cause=\"max_wait\",cluster=\"main\"}") == 1
            }
            #expect(fleet.leases == 3)
            for call in calls { await call.cancel() }
        }
    }
}
