import Proxy
import TestSupport
import Testing
import Transport
import Upstream
import Wire

/// The end of a proxy, and peers that do not speak its language.
@Suite struct DrainTests {
    @Test func `streams that are open finish, later ones are refused, and connections close`() async throws {
        try await Fleet.run(.echoing) { fleet in
            let caller = try await fleet.caller()
            let call = await caller.start("/backend.Backend/Forward")
            await call.send(GRPCFrame.framed([1]))
            try await until("it is answered") { await call.soFar().body.count == 6 }
            await fleet.startDrain()
            await fleet.finishDrain()
            await call.send(GRPCFrame.framed([2]))
            try await until("it still is") { await call.soFar().body.count == 12 }
            let late = await caller.start("/backend.Backend/Predict")
            await late.send(Fleet.predictBody("late"))
            await late.end()
            #expect(try await late.result().status == nil)
            await call.end()
            #expect(try await call.result().status == .ok)
            try await until("the connection is closed") { await caller.isClosed() }
        }
    }

    @Test func `a connection that never said anything is closed`() async throws {
        try await Fleet.run(.healthy, plan: { $0.proxy.handshakeTimeoutMs = 0 }) { fleet in
            let silent = SilentPeer()
            let loop = TestLoops.shared.loops[0]
            let bound = LoopBound(silent, on: loop)
            await loop.run { bound.value.connect(to: fleet.endpoint, on: loop) }
            try await until("it is accepted") { await fleet.connectionCount() == 1 }
            await fleet.startDrain()
            await fleet.finishDrain()
            try await until("it is closed") { await loop.run { bound.value.isClosed } }
        }
    }

    @Test func `an abort ends calls of our own that never would`() async throws {
        try await Fleet.run(.notLoaded) { fleet in
            fleet[0].holdLoads()
            let models = fleet.models
            async let report = models.load(Array(Fleet.loadBody("m").dropFirst(5)))
            try await until("the worker has the load") { fleet[0].calls("LoadModel").count == 1 }
            await fleet.abort()
            let name = fleet[0].endpoint.description
            #expect(await report == .failure(.aborted, "[\(name)]: connection_lost"))
        }
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "POST /x HTTP/1.0\r\n\r\n"])
    func `a caller that speaks HTTP 1 gets an answer that it can read`(request: String) async throws {
        try await Fleet.run(.healthy) { fleet in
            let answer = try await SilentPeer.exchange(Array(request.utf8), with: fleet.endpoint)
            let text = String(decoding: answer, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n") && text.contains("prior knowledge"))
            #expect(fleet.metric("homing_not_http2_total") == 1)
        }
    }

    @Test func `garbage gets a GOAWAY, and others go on`() async throws {
        try await Fleet.run(.healthy) { fleet in
            for garbage: [UInt8] in [[0x16, 3, 1, 2, 0, 1, 0], [UInt8](repeating: 0, count: 100), [0xFF]] {
                let answer = try await SilentPeer.exchange(garbage, with: fleet.endpoint)
                #expect(answer.count == 26 && answer[9 + 3] == 7 && answer.last == 1)
            }
            #expect(try await fleet.predict("a").status == .ok)
        }
    }
}

/// A peer that says what it is told, or nothing. Lives on its loop.
final class SilentPeer: LinkHandler, LinkOwner {
    private var link: Link?
    private var output: [UInt8] = []
    private(set) var received: [UInt8] = []
    private(set) var isClosed = false

    /// Sends `bytes` and returns what comes until the other side closes.
    static func exchange(_ bytes: [UInt8], with endpoint: Endpoint) async throws -> [UInt8] {
        let loop = TestLoops.shared.loops[0]
        let bound = LoopBound(SilentPeer(), on: loop)
        await loop.run {
            bound.value.output = bytes
            bound.value.connect(to: endpoint, on: loop)
        }
        try await until("the other side closes") { await loop.run { bound.value.isClosed } }
        return await loop.run { bound.value.received }
    }

    func connect(to endpoint: Endpoint, on loop: Loop) {
        let link = Link(on: loop, handler: self)
        self.own(link)
        Connector.connect(link, to: endpoint, timeoutMs: 20_000)
    }

    func own(_ link: Link) { self.link = link }
    func linkOpened() {}
    func linkReceived(_ bytes: RawSpan) { self.received += bytes.copied }
    func linkDrains(into output: inout OutputRawSpan) -> Bool {
        for byte in self.output { output.append(byte) }
        self.output = []
        return false
    }
    func linkClosed(_ closure: LinkClosure) {
        self.isClosed = true
        self.link = nil
    }
}
