import Routing
import Foundation

/// Traffic of a kind, made up from a seed.
package enum SyntheticFamily: String, CaseIterable, Sendable {
    /// People who talk to one of a few assistants, turn by turn, with pauses.
    case conversations
    /// Programs that call a model in a loop, each kind with a long common head of instructions and tools.
    case agents
    /// Questions about documents, some of which everybody asks about; the document stands before the question.
    case documents
    /// Nothing is ever repeated.
    case unique
    /// All prompts begin with the same block, and share nothing else.
    case sharedHead = "shared_head"
    /// As conversations, with rush hours of ten seconds in which five times as many begin.
    case bursts
}

extension Trace {
    /// `requests` requests of a family, arriving at a rate that eight replicas of 8,000 tokens per second can serve.
    package static func synthetic(_ family: SyntheticFamily, requests: Int, seed: UInt64) -> Trace {
        var maker = TraceMaker(seed: seed)
        switch family {
        case .conversations: maker.makeConversations(requests, every: 1.1, bursts: false)
        case .bursts: maker.makeConversations(requests, every: 1.1, bursts: true)
        case .agents: maker.makeAgents(requests)
        case .documents: maker.makeDocuments(requests)
        case .unique: maker.makeSingles(requests, sharedHead: false)
        case .sharedHead: maker.makeSingles(requests, sharedHead: true)
        }
        return Trace(
            name: family.rawValue,
            requests: Array(maker.requests.sorted { $0.arrivalMs < $1.arrivalMs }.prefix(requests)))
    }
}

/// Makes requests. A text is named by a number; what stands in its blocks follows from that.
private struct TraceMaker {
    var random: SplitMix64
    var requests: [Trace.Request] = []
    private var texts: UInt64 = 0

    init(seed: UInt64) {
        self.random = SplitMix64(seed: seed)
    }

    mutating func makeConversations(_ count: Int, every seconds: Double, bursts: Bool) {
        let assistants = (0..<5).map { _ in (text: self.newText(), tokens: self.between(200, 3_000)) }
        var start = 0.0
        while self.requests.count < count * 5 / 4 {
            let isRush = bursts && start.truncatingRemainder(dividingBy: 60) < 10
            start += self.exponential(isRush ? seconds / 5 : bursts ? seconds * 1.5 : seconds)
            let assistant = assistants[self.zipf(assistants.count)]
            let text = self.newText()
            var tokens = assistant.tokens + self.logNormal(median: 700, spread: 1.2, most: 30_000)
            var time = start
            for _ in 0..<min(30, 1 + Int(self.exponential(5))) {
                let output = self.logNormal(median: 250, spread: 0.8, most: 2_000)
                self.add(time, head: assistant, text: text, tokens: tokens, output: output)
                tokens += output + self.logNormal(median: 80, spread: 1.2, most: 8_000)
                time += 3 + Double(output) * 0.02 + self.exponential(35)
            }
        }
    }

    mutating func makeAgents(_ count: Int) {
        let kinds = (0..<20).map { _ in (text: self.newText(), tokens: self.between(3_000, 12_000)) }
        var start = 0.0
        while self.requests.count < count * 5 / 4 {
            start += self.exponential(2.2)
            let kind = kinds[self.zipf(kinds.count)]
            let text = self.newText()
            var tokens = kind.tokens + self.logNormal(median: 500, spread: 1, most: 10_000)
            var time = start
            for _ in 0..<(3 + Int(self.exponential(12))) {
                let output = self.logNormal(median: 120, spread: 0.8, most: 1_500)
                self.add(time, head: kind, text: text, tokens: tokens, output: output)
                tokens += output + self.logNormal(median: 600, spread: 1.2, most: 12_000)
                time += 1 + Double(output) * 0.02 + self.exponential(4)
            }
        }
    }

    mutating func makeDocuments(_ count: Int) {
        let documents = (0..<600).map { _ in
            (text: self.newText(), tokens: self.logNormal(median: 9_000, spread: 0.7, most: 60_000))
        }
        var time = 0.0
        for _ in 0..<count {
            time += self.exponential(0.13)
            let document = documents[self.zipf(documents.count)]
            self.add(
                time, head: document, text: self.newText(), tokens: document.tokens + self.between(30, 400),
                output: self.logNormal(median: 150, spread: 0.7, most: 1_000))
        }
    }

    mutating func makeSingles(_ count: Int, sharedHead: Bool) {
        let head = (text: self.newText(), tokens: sharedHead ? Trace.blockTokens : 0)
        var time = 0.0
        for _ in 0..<count {
            time += self.exponential(0.1)
            self.add(
                time, head: head, text: self.newText(),
                tokens: head.tokens + self.logNormal(median: 2_500, spread: 1, most: 60_000),
                output: self.logNormal(median: 200, spread: 0.8, most: 2_000))
        }
    }

    // MARK: - Parts

    /// A prompt that begins with `head` and goes on with the first tokens of `text`.
    private mutating func add(
        _ time: Double, head: (text: UInt64, tokens: Int), text: UInt64, tokens: Int, output: Int
    ) {
        var blocks: [UInt64] = []
        var end = 0
        while end < tokens {
            let start = end
            end = min(start + Trace.blockTokens, tokens)
            // A block that is not full has something else behind it next time.
            let owner = end <= head.tokens ? head.text : text
            let fill = UInt64(end - start)
            blocks.append(SplitMix64.mixed(owner << 32 ^ UInt64(start) << 10 ^ fill))
        }
        self.requests.append(
            Trace.Request(
                arrivalMs: (time * 1_000).rounded(), inputTokens: max(1, tokens), outputTokens: max(1, output),
                blocks: blocks))
    }

    private mutating func newText() -> UInt64 {
        self.texts += 1
        return self.texts
    }

    private mutating func uniform() -> Double {
        (Double(self.random.next() >> 11) + 0.5) / Double(UInt64(1) << 53)
    }

    private mutating func between(_ low: Int, _ high: Int) -> Int {
        low + Int(self.uniform() * Double(high - low))
    }

    private mutating func exponential(_ mean: Double) -> Double { -mean * log(self.uniform()) }

    private mutating func logNormal(median: Double, spread: Double, most: Int) -> Int {
        let normal = (-2 * log(self.uniform())).squareRoot() * cos(2 * .pi * self.uniform())
        return min(most, max(1, Int(median * exp(spread * normal))))
    }

    /// One of `count`, the first about twice as often as the second, and so on.
    private mutating func zipf(_ count: Int) -> Int {
        min(count - 1, Int(exp(self.uniform() * log(Double(count + 1)))) - 1)
    }
}
