import Testing
import Wire

@testable import DemoWorker

/// Drives a `SimulatedModel` by hand and keeps what each caller has been sent.
struct SimulatedWorker {
    struct Answer: Equatable {
        var messages: [[UInt8]] = []
        /// When each message came, in milliseconds.
        var times: [Double] = []
        var status: GRPCStatusCode?
        var text = ""

        var replies: [Reply] { self.messages.compactMap { try? Reply(decoding: $0) } }
        /// The text of all replies together.
        var said: String { String(decoding: self.replies.flatMap(\.message), as: UTF8.self) }
    }

    private(set) var model: SimulatedModel
    private(set) var answers: [CallID: Answer] = [:]
    private(set) var died = false
    private var lastCall: UInt64 = 0
    private(set) var nowMs = 0.0

    /// 1,000 tokens of prompt and 100 of answer per second, one slot, a loaded model `m`, unless changed.
    init(_ change: (inout WorkerSettings) -> Void = { _ in }) {
        var settings = WorkerSettings()
        settings.model = "m"
        settings.prefillTokensPerSecond = 1_000
        settings.decodeTokensPerSecond = 100
        change(&settings)
        self.model = SimulatedModel(settings)
    }

    @discardableResult
    mutating func call(_ call: WorkerCall) -> CallID {
        self.lastCall += 1
        let id = CallID(self.lastCall)
        self.note(self.model.arrived(call, id, at: self.nowNs))
        return id
    }

    /// A raw prompt that may use the cache.
    @discardableResult
    mutating func predict(_ prompt: String, tokens: Int32 = 4, streams: Bool = true) -> CallID {
        self.call(.predict(Self.options(prompt, tokens: tokens), streams: streams))
    }

    static func options(_ prompt: String, tokens: Int32 = 4, identity: String = "") -> PredictOptions {
        var options = PredictOptions()
        options.prompt = Array(prompt.utf8)
        options.tokens = tokens
        options.promptCacheAll = true
        options.modelIdentity = Array(identity.utf8)
        return options
    }

    static func load(_ model: String, _ options: [String] = []) -> WorkerCall {
        var message = ModelOptions()
        message.model = Array(model.utf8)
        message.options = options.map { Array($0.utf8) }
        return .loadModel(message)
    }

    mutating func cancel(_ id: CallID) {
        self.note(self.model.cancelled(id, at: self.nowNs))
    }

    /// Moves time to `ms`, stopping at every event as a timer would.
    mutating func advance(toMs ms: Double) {
        while let next = self.model.nextEventAt, Double(next) / 1e6 <= ms {
            self.nowMs = max(self.nowMs, Double(next) / 1e6)
            self.note(self.model.timePassed(to: next))
        }
        self.nowMs = ms
        self.note(self.model.timePassed(to: self.nowNs))
    }

    /// Moves time on until nothing happens by itself any more.
    mutating func settle() {
        while let next = self.model.nextEventAt { self.advance(toMs: max(self.nowMs, Double(next) / 1e6)) }
    }

    subscript(_ id: CallID) -> Answer { self.answers[id] ?? Answer() }

    private var nowNs: UInt64 { UInt64(self.nowMs * 1e6) }

    private mutating func note(_ actions: [WorkerAction]) {
        for action in actions {
            switch action {
            case .message(let id, let message):
                #expect(self[id].status == nil, "a message after the end")
                self.answers[id, default: Answer()].messages.append(message)
                self.answers[id, default: Answer()].times.append(self.nowMs)
            case .end(let id, let status, let text):
                #expect(self[id].status == nil, "a second end")
                self.answers[id, default: Answer()].status = status
                self.answers[id, default: Answer()].text = text
            case .die: self.died = true
            }
        }
    }
}
