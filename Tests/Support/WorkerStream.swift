import Connection
import Synchronization
import Transport
import Wire

/// One call at a scripted worker. Lives on its connection's loop.
final class WorkerStream: HTTP2Stream {
    private unowned let connection: WorkerConnection
    private let script: ScriptedWorker.Script
    private var behavior = WorkerBehavior.healthy
    private var path = ""
    private var position = 0
    private var received: [UInt8] = []
    private var hasBegun = false
    /// What follows when all bytes given to `send` are in frames.
    private var whenFramed: (() -> Void)?

    init(on connection: WorkerConnection, script: ScriptedWorker.Script, account: BufferAccount) {
        self.connection = connection
        self.script = script
        super.init(account: account)
    }

    /// Calls about the worker itself, which are answered whatever its behaviour is.
    static func isControl(_ path: String) -> Bool {
        ["Health", "LoadModel", "Free", "TokenizeString"].contains { path == "/backend.Backend/\($0)" }
    }

    private var isControl: Bool { Self.isControl(self.path) }

    // MARK: The request

    override func headersArrived(ended: Bool) {
        self.hasBegun = true
        self.path = self.headers.string(.path) ?? ""
        let call = ScriptedWorker.Call(path: self.path, headers: self.headers.strings)
        (self.behavior, self.position) = self.script.state.withLock { state in
            state.calls.append(call)
            if self.isControl {
                if self.path.hasSuffix("/LoadModel") {
                    if state.openCalls > 0 || state.loadsUnderWay > 0 { state.forbiddenLoads += 1 }
                    state.loadsUnderWay += 1
                }
            } else {
                state.openCalls += 1
            }
            return (state.behavior, state.calls.count - 1)
        }
        if !self.isControl { self.callBegan() }
        if ended { self.requestEnded() }
    }

    override func bodyArrived(_ bytes: RawSpan) {
        let copy = bytes.copied
        self.received += copy
        self.script.state.withLock { $0.calls[self.position].body += copy }
        guard !self.isControl else { return self.consume(bytes.byteCount) }
        switch self.behavior {
        case .neverReads: ()
        case .closesSocket(.afterBytes(let count)):
            if self.received.count >= count { self.connection.abort() }
        case .echoing:
            self.consume(bytes.byteCount)
            self.send(copy)
        case .healthy, .refusing, .refusesStream, .closesSocket, .resets, .resetsMidStream, .goAway, .mute,
            .trailersOnly,
            .notLoaded, .neverAnswers, .noStatus, .earlyAnswer, .answers:
            self.consume(bytes.byteCount)
        }
    }

    override func bodyEnded() { self.requestEnded() }
    override func trailersArrived() { self.requestEnded() }

    override func closed(_ closure: StreamClosure) {
        guard self.hasBegun else { return }
        self.script.state.withLock { state in
            state.calls[self.position].closure = closure
            if !self.isControl { state.openCalls -= 1 }
            if self.path.hasSuffix("/LoadModel") { state.loadsUnderWay -= 1 }
        }
        self.whenFramed = nil
    }

    override func bodyFramed(_ count: Int) {
        guard self.unframedBytes == 0, let next = self.whenFramed else { return }
        self.whenFramed = nil
        next()
    }

    // MARK: The answer

    private func callBegan() {
        if self.path.hasSuffix("/Forward"), !self.script.state.withLock({ $0.isLoaded }) { return self.sayNotLoaded() }
        switch self.behavior {
        case .refusesStream: self.reset(.refusedStream)
        case .closesSocket(.onRequest): self.connection.abort()
        case .echoing: self.submit(ScriptedAnswer(body: []).headers)
        case .earlyAnswer: self.answer(ScriptedAnswer(body: GRPCFrame.framed(Array("early".utf8))))
        case .healthy, .refusing, .closesSocket, .resets, .resetsMidStream, .goAway, .mute, .trailersOnly, .notLoaded,
            .neverAnswers, .neverReads, .noStatus, .answers:
            ()
        }
    }

    private func requestEnded() {
        self.script.state.withLock { $0.calls[self.position].requestEnded = true }
        if self.isControl { return self.answerControl() }
        guard self.script.state.withLock({ $0.isLoaded }) else { return self.sayNotLoaded() }
        switch self.behavior {
        case .healthy, .notLoaded: self.answer(ScriptedAnswer(body: self.received))
        case .echoing: self.endBody(trailers: [("grpc-status", "0")])
        case .answers(let answer): self.answer(answer)
        case .closesSocket(.beforeHeaders): self.connection.abort()
        case .closesSocket(.midStream(let bytes)):
            self.submit(ScriptedAnswer(body: []).headers)
            self.send(bytes)
            let link = self.connection.link
            self.whenFramed = { link?.closeAfterDrain() }
        case .resets(let code): self.reset(code)
        case .resetsMidStream(let bytes, let code):
            self.submit(ScriptedAnswer(body: []).headers)
            self.send(bytes)
            self.whenFramed = { [unowned self] in self.reset(code) }
        case .trailersOnly(let code, let text): self.answerTrailersOnly(code, text)
        case .noStatus:
            self.submit(ScriptedAnswer(body: []).headers)
            self.send(self.received)
            self.endBody()
        case .neverAnswers, .neverReads, .refusing, .refusesStream, .closesSocket(.onRequest),
            .closesSocket(.afterBytes), .goAway, .mute, .earlyAnswer:
            ()
        }
    }

    private func answerControl() {
        switch self.path {
        case "/backend.Backend/Health": self.answer(message: Reply.healthy.encoded())
        case "/backend.Backend/LoadModel":
            let held = self.script.state.withLock { state in
                if state.holdsLoads { state.heldLoads.append(LoopBound(self, on: self.connection.loop)) }
                return state.holdsLoads
            }
            if !held { self.answerLoad() }
        case "/backend.Backend/Free":
            self.script.state.withLock { $0.isLoaded = false }
            self.answer(message: BackendResult(success: true).encoded())
        default:
            if self.script.state.withLock({ $0.isLoaded }) { self.answer(message: []) } else { self.sayNotLoaded() }
        }
    }

    func answerLoad() {
        guard self.isAttached else { return }
        let loads = self.script.state.withLock { state in
            if !state.failsLoads { state.isLoaded = true }
            return !state.failsLoads
        }
        self.answer(message: BackendResult(success: loads, message: loads ? "" : "out of memory").encoded())
    }

    private func sayNotLoaded() { self.answerTrailersOnly(.failedPrecondition, "Model not loaded") }

    private func answer(message: [UInt8]) { self.answer(ScriptedAnswer(body: GRPCFrame.framed(message))) }

    private func answer(_ answer: ScriptedAnswer) {
        self.submit(answer.headers)
        self.send(answer.body)
        self.endBody(trailers: answer.trailers)
    }

    private func answerTrailersOnly(_ code: GRPCStatusCode, _ text: String) {
        self.submit(
            ScriptedAnswer(body: []).headers + [("grpc-status", code.text), ("grpc-message", text)], ended: true)
    }

    private func submit(_ fields: ScriptedAnswer.Fields, ended: Bool = false) {
        let session = self.connection.session
        let list = session.newHeaderList()
        for field in fields { list.append(name: field.name, value: field.value) }
        // Says which worker this is.
        list.append("x-worker", self.script.state.withLock { $0.name })
        session.submitResponse(self, list, ended: ended)
    }
}
