import Testing
import Wire

@testable import DemoWorker

struct SimulatedModelTests {
    /// 400 bytes, 100 tokens: 6 whole blocks and 4 tokens.
    private static let hundred = String(repeating: "bird", count: 100)

    @Test func `a stream is an empty message, one for each token, and an empty one with the figures`() {
        var worker = SimulatedWorker()
        let id = worker.predict(Self.hundred)
        worker.advance(toMs: 99)
        #expect(worker[id].messages.isEmpty, "nothing comes before the prompt is computed")
        worker.settle()
        let answer = worker[id]
        #expect(answer.status == .ok)
        #expect(answer.times == [100, 100, 110, 120, 130, 130])
        #expect(answer.replies.map(\.message.count) == [0, 4, 4, 4, 4, 0])
        #expect(answer.replies.first == Reply())
        #expect(
            answer.replies.last
                == Reply(message: [], tokens: 4, promptTokens: 100, promptMs: 100, generationMs: 30))
        #expect(answer.said == AnswerText.answer(to: SimulatedWorker.options(Self.hundred), count: 4))
        #expect(worker.model.isIdle)
    }

    @Test func `a unary answer is one message at the end`() {
        var worker = SimulatedWorker()
        let id = worker.predict(Self.hundred, streams: false)
        worker.settle()
        #expect(worker[id].times == [130] && worker[id].status == .ok)
        #expect(worker[id].said == AnswerText.answer(to: SimulatedWorker.options(Self.hundred), count: 4))
        #expect(worker[id].replies.map(\.tokens) == [4] && worker[id].replies.map(\.promptTokens) == [100])
    }

    @Test func `the same prompt is answered sooner the second time, and counts all its tokens`() {
        var worker = SimulatedWorker()
        worker.predict(Self.hundred)
        worker.settle()
        let start = worker.nowMs
        let again = worker.predict(Self.hundred)
        worker.settle()
        // 96 of 100 tokens are in whole blocks.
        #expect(worker[again].times.first == start + 4)
        #expect(worker[again].replies.last?.promptMs == 4 && worker[again].replies.last?.promptTokens == 100)
        #expect(worker.model.cachedTokens == 96 && worker.model.computedTokens == 104)
    }

    @Test func `the next turn of a conversation finds the first one, answer included`() {
        var worker = SimulatedWorker()
        var options = SimulatedWorker.options("", tokens: 32)
        options.usesTokenizerTemplate = true
        options.messages = [ChatMessage(role: Array("user".utf8), content: Array(Self.hundred.utf8))]
        let first = worker.call(.predict(options, streams: true))
        worker.settle()
        let before = worker[first].replies.last?.promptTokens ?? 0
        options.messages.append(ChatMessage(role: Array("assistant".utf8), content: Array(worker[first].said.utf8)))
        options.messages.append(ChatMessage(role: Array("user".utf8), content: Array("And then?".utf8)))
        let second = worker.call(.predict(options, streams: true))
        worker.settle()
        let last = worker[second].replies.last ?? Reply()
        // Prompt and answer of the first turn, down to a whole block.
        let held = (Int(before) + 32) / 16 * 16
        #expect(last.promptMs == Double(Int(last.promptTokens) - held))
        #expect(held > Int(before))
    }

    @Test func `a prompt that is wholly cached still costs its last token`() {
        var worker = SimulatedWorker()
        let text = String(repeating: "bird", count: 96)
        worker.predict(text)
        worker.settle()
        let again = worker.predict(text)
        worker.settle()
        #expect(worker[again].replies.last?.promptMs == 1)
    }

    @Test func `without PromptCacheAll the cache is neither used nor filled`() {
        var worker = SimulatedWorker()
        var options = SimulatedWorker.options(Self.hundred)
        options.promptCacheAll = false
        for _ in 0..<2 {
            let id = worker.call(.predict(options, streams: true))
            worker.settle()
            #expect(worker[id].replies.last?.promptMs == 100)
        }
        #expect(worker.model.cache.tokens == 0)
    }

    @Test func `answers depend on the prompt and not on the worker`() {
        func said(_ prompt: String) -> String {
            var worker = SimulatedWorker()
            let id = worker.predict(prompt, tokens: 8)
            worker.settle()
            return worker[id].said
        }
        #expect(said("one") == said("one") && said("one") != said("two"))
        #expect(said("one").utf8.count == 32)
    }

    @Test func `the length of an answer is the request's, else the settings', and ends at the context`() {
        var worker = SimulatedWorker {
            $0.defaultAnswerTokens = 5
            $0.contextTokens = 103
        }
        for (tokens, count) in [(1, 1), (2, 2), (0, 3), (-1, 3), (50, 3)] as [(Int32, Int32)] {
            let id = worker.predict(Self.hundred, tokens: tokens)
            worker.settle()
            #expect(worker[id].replies.last?.tokens == count)
        }
        let short = worker.predict("x", tokens: 0)
        let full = worker.predict(Self.hundred + "more than 8", tokens: 5)
        worker.settle()
        #expect(worker[short].replies.last?.tokens == 5)
        #expect(worker[full].replies.map(\.tokens) == [0, 0] && worker[full].status == .ok, "no room for an answer")
    }

    @Test func `a prompt longer than the context is refused at once, a stream being told so first`() {
        var worker = SimulatedWorker { $0.contextTokens = 99 }
        let text = "request (100 tokens) exceeds the available context size (99 tokens)"
        let stream = worker.predict(Self.hundred)
        #expect(worker[stream].said == text && worker[stream].text == text && worker[stream].status == .internal)
        let unary = worker.predict(Self.hundred, streams: false)
        #expect(worker[unary].messages.isEmpty && worker[unary].status == .internal)
        #expect(worker.model.isIdle)
    }

    @Test func `requests above the slots wait their turn`() {
        var worker = SimulatedWorker()
        let ids = (0..<4).map { worker.predict(String(repeating: "\($0)", count: 400)) }
        worker.settle()
        // 100 ms for the prompt and 30 ms for the answer, one after the other.
        #expect(ids.map { worker[$0].times.first } == [100, 230, 360, 490])
    }

    @Test func `slots share the prompt's computing and generate side by side`() {
        var worker = SimulatedWorker { $0.slots = 2 }
        let ids = (0..<2).map { worker.predict(String(repeating: "\($0)", count: 400), tokens: 21) }
        worker.settle()
        #expect(ids.map { worker[$0].times.first } == [100, 200])
        #expect(ids.map { worker[$0].times.last } == [300, 400])
    }

    @Test func `two that start together with the same cold beginning both compute it`() {
        var worker = SimulatedWorker { $0.slots = 2 }
        let ids = (0..<2).map { _ in worker.predict(Self.hundred) }
        worker.settle()
        #expect(ids.map { worker[$0].replies.last?.promptMs } == [100, 100])
    }

    @Test func `a cancelled prompt's computed part stays cached and its slot is free`() {
        var worker = SimulatedWorker()
        let first = worker.predict(Self.hundred)
        let next = worker.predict("other prompt")
        worker.advance(toMs: 50)
        worker.cancel(first)
        worker.settle()
        #expect(worker[first] == SimulatedWorker.Answer(), "nothing is sent to a caller that left")
        #expect(worker[next].times.first == 53)
        let again = worker.predict(Self.hundred)
        worker.settle()
        // 50 tokens were computed: 48 in whole blocks.
        #expect(worker[again].replies.last?.promptMs == 52)
    }

    @Test func `a caller that leaves the queue or in the middle of its answer is forgotten`() {
        var worker = SimulatedWorker()
        let first = worker.predict(Self.hundred, tokens: 1_000)
        let queued = worker.predict("x")
        worker.advance(toMs: 115)
        worker.cancel(queued)
        worker.cancel(first)
        #expect(worker.model.isIdle && worker.model.nextEventAt == nil)
        #expect(worker[first].replies.count == 3 && worker[first].status == nil)
        worker.cancel(first)
        worker.cancel(CallID(999))
        #expect(worker.model.isIdle)
    }

    @Test func `a late timer changes no figure and no order`() {
        var prompt = SimulatedWorker()
        var late = SimulatedWorker()
        for _ in 0..<3 {
            prompt.predict(Self.hundred)
            late.predict(Self.hundred)
        }
        prompt.settle()
        var actions = late.model
        let all = actions.timePassed(to: 60_000_000_000)
        let messages = all.compactMap { if case .message(_, let message) = $0 { message } else { nil } }
        #expect(messages == (1...3).flatMap { prompt[CallID($0)].messages })
        #expect(actions.isIdle)
    }

    @Test func `speeds of zero take no time at all`() {
        var worker = SimulatedWorker {
            $0.prefillTokensPerSecond = 0
            $0.decodeTokensPerSecond = 0
        }
        let id = worker.predict(Self.hundred)
        #expect(worker[id].status == .ok && worker[id].times == [0, 0, 0, 0, 0, 0] && worker.model.isIdle)
    }

    @Test func `a clock that another thread read earlier does no harm`() {
        var worker = SimulatedWorker()
        worker.advance(toMs: 100)
        let id = CallID(1_000)
        var model = worker.model
        #expect(model.arrived(.predict(SimulatedWorker.options("x"), streams: true), id, at: 1).isEmpty)
        #expect(model.nextEventAt == 101_000_000)
        #expect(model.cancelled(id, at: 2).isEmpty && model.isIdle)
    }

    @Test(arguments: [6, 20_261_126] as [UInt64])
    func `under random calls every call ends once, and nothing is left`(seed: UInt64) {
        print("seed \(seed)")
        var state = seed
        func random(_ count: Int) -> Int {
            state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
            return Int(state >> 33) % count
        }
        var worker = SimulatedWorker {
            $0.slots = 3
            $0.cacheTokens = 500
            $0.healthBehindPredict = true
            $0.loadTimeMs = 20
        }
        var cancelled: Set<CallID> = []
        var ids: [CallID] = []
        for _ in 0..<600 {
            switch random(12) {
            case 0: ids.append(worker.call(.health))
            case 1: if random(10) == 0 { ids.append(worker.call(SimulatedWorker.load("m"))) }
            case 2:
                if let id = ids.last(where: { worker[$0].status == nil && !cancelled.contains($0) }) {
                    worker.cancel(id)
                    cancelled.insert(id)
                }
            case 3...6: worker.advance(toMs: worker.nowMs + Double(random(60)))
            default:
                ids.append(
                    worker.predict(
                        String(repeating: "\(random(4))", count: random(800)), tokens: Int32(random(20)),
                        streams: random(2) == 0))
            }
        }
        worker.settle()
        #expect(worker.model.isIdle && worker.model.nextEventAt == nil, "seed \(seed)")
        #expect(worker.model.prompts.isEmpty, "seed \(seed)")
        for id in ids { #expect((worker[id].status == nil) == cancelled.contains(id), "seed \(seed)") }
    }
}
