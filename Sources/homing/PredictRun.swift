import Connection
import Foundation
import Transport
import Wire

/// One PredictStream: the call, and what was learnt on its way.
enum PredictRun {
    /// What came of it. Times are milliseconds since the call began, connecting included.
    struct Outcome: Sendable {
        var text: [UInt8] = []
        /// The last message, in which workers tell their figures.
        var last = Reply()
        var explanation: Explanation?
        /// When the first text came; nil when there was none.
        var firstTokenMs: Double?
        var totalMs = 0.0
        /// Messages with text, for workers that tell no figure.
        var pieces = 0
        var end = DirectCall.End.failed(.connectionLost)

        var status: GRPCStatus? {
            switch self.end {
            case .status(let status): status
            case .failed: nil
            }
        }

        var tokens: Int { self.last.tokens > 0 ? Int(self.last.tokens) : self.pieces }
    }

    /// What homing says of its pick, in response metadata.
    struct Explanation: Sendable, Equatable {
        var replica: String
        var reason: String
        /// Bytes at the head of the prompt that the replica had seen, and of all that was looked at. Nil without a hint.
        var matchedBytes: Int?
        var promptBytes: Int?
        /// Replicas that were tried before.
        var retries: Int

        /// Nil when `headers` are not homing's.
        init?(_ headers: [(name: String, value: String)]) {
            func value(_ name: String) -> String? { headers.first { $0.name == name }?.value }
            guard let replica = value("x-homing-replica") else { return nil }
            self.replica = replica
            self.reason = value("x-homing-reason") ?? "unknown"
            self.matchedBytes = value("x-homing-matched-bytes").flatMap { Int($0) }
            self.promptBytes = value("x-homing-prompt-bytes").flatMap { Int($0) }
            self.retries = value("x-homing-retries").flatMap { Int($0) } ?? 0
        }

        /// 0 to 1; nil without a hint.
        var matchedShare: Double? {
            guard let matched = self.matchedBytes, let prompt = self.promptBytes, prompt > 0 else { return nil }
            return Double(matched) / Double(prompt)
        }
    }

    /// A conversation to go on with, as LocalAI asks for it.
    static func options(_ messages: [ChatMessage], tokens: Int) -> PredictOptions {
        var options = PredictOptions()
        options.usesTokenizerTemplate = true
        options.messages = messages
        options.tokens = Int32(clamping: tokens)
        options.promptCacheAll = true
        return options
    }

    /// The call that asks for an explanation too.
    static func request(_ options: PredictOptions) -> DirectCall.Request {
        var request = DirectCall.Request(.predictStream, message: options.encoded())
        request.metadata = [("x-homing-explain", "1")]
        return request
    }

    /// Makes the call; `onText` gets every piece of the answer as it arrives, and ends the call by throwing.
    static func run(
        _ request: DirectCall.Request, at endpoint: Endpoint, on loop: Loop, onText: ([UInt8]) throws -> Void
    ) async throws -> Outcome {
        let start = Loop.now
        func elapsedMs() -> Double { Double(Loop.now - start) / 1_000_000 }
        var outcome = Outcome()
        for await event in DirectCall.start(request, to: endpoint, on: loop) {
            switch event {
            case .answered(let headers): outcome.explanation = Explanation(headers)
            case .message(let message):
                // Bytes that are no Reply say nothing; the status says whether the call succeeded.
                guard let reply = try? Reply(decoding: message) else { continue }
                outcome.last = reply
                guard !reply.message.isEmpty else { continue }
                if outcome.firstTokenMs == nil { outcome.firstTokenMs = elapsedMs() }
                outcome.pieces += 1
                outcome.text += reply.message
                try onText(reply.message)
            case .ended(let end): outcome.end = end
            }
        }
        outcome.totalMs = elapsedMs()
        return outcome
    }
}
