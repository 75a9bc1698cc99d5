package import Foundation
import Routing

/// Requests in the order of their arrival, with their prompts as blocks of a fixed number of tokens.
package struct Trace: Sendable {
    package struct Request: Sendable {
        /// Milliseconds since the trace's start.
        package var arrivalMs: Double
        package var inputTokens: Int
        package var outputTokens: Int
        /// What is in each block and all before it: equal ids mean equal prompts up to there.
        package var blocks: [UInt64]
        /// The text itself, of traces that have it.
        package var prompt: String?

        package init(
            arrivalMs: Double, inputTokens: Int, outputTokens: Int, blocks: [UInt64], prompt: String? = nil
        ) {
            self.arrivalMs = arrivalMs
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.blocks = blocks
            self.prompt = prompt
        }
    }

    package var name: String
    package var requests: [Request]
    /// Tokens in a block; the last one of a prompt may have fewer.
    package static let blockTokens = 512

    package init(name: String, requests: [Request]) {
        self.name = name
        self.requests = requests
    }

    /// What is wrong with a trace, and where.
    package struct Problem: Error, CustomStringConvertible {
        package let line: Int
        package let text: String
        package var description: String { "line \(self.line): \(self.text)" }
    }

    /// Reads JSON lines, one request each: `timestamp` (ms) and `output_length` with either `input_length` and
    /// `hash_ids` (Mooncake's format) or `prompt`, a text.
    package init(name: String, jsonLines: Data) throws(Problem) {
        struct Line: Decodable {
            var timestamp: Double
            var output_length: Int?
            var input_length: Int?
            var hash_ids: [UInt64]?
            var prompt: String?
        }
        var requests: [Request] = []
        let decoder = JSONDecoder()
        var number = 0
        for text in jsonLines.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard text.contains(where: { $0 > 32 }) else { continue }
            guard let line = try? decoder.decode(Line.self, from: text) else {
                throw Problem(line: number, text: "no JSON object with a timestamp")
            }
            guard line.timestamp >= 0, line.timestamp.isFinite, (line.output_length ?? 0) >= 0 else {
                throw Problem(line: number, text: "timestamp and output_length are not negative")
            }
            if let prompt = line.prompt {
                requests.append(Self.request(at: line.timestamp, prompt: prompt, outputTokens: line.output_length ?? 1))
            } else if let length = line.input_length, let blocks = line.hash_ids, length > 0,
                blocks.count == (length + Self.blockTokens - 1) / Self.blockTokens
            {
                requests.append(
                    Request(
                        arrivalMs: line.timestamp, inputTokens: length, outputTokens: line.output_length ?? 1,
                        blocks: blocks))
            } else {
                throw Problem(
                    line: number,
                    text: "neither a prompt nor an input_length with one of hash_ids for each 512 tokens of it")
            }
        }
        self.init(name: name, requests: requests.sorted { $0.arrivalMs < $1.arrivalMs })
    }

    /// A request with a text, whose tokens are taken for four bytes each.
    private static func request(at time: Double, prompt: String, outputTokens: Int) -> Request {
        let bytes = Array(prompt.utf8)
        var chain = PrefixChain(blockBytes: Self.blockTokens * 4, maxBlocks: .max)
        chain.begin(salt: 0)
        chain.append(bytes.span)
        chain.finish()
        return Request(
            arrivalMs: time, inputTokens: max(1, (bytes.count + 3) / 4), outputTokens: outputTokens,
            blocks: (0..<chain.count).map { chain[$0] }, prompt: prompt)
    }

    /// The same requests, arriving `factor` times as fast.
    package func faster(_ factor: Double) -> Trace {
        var trace = self
        for index in trace.requests.indices { trace.requests[index].arrivalMs /= factor }
        return trace
    }

    /// Share of the fleet's prefill time that the trace needs when every token that one cache as large as all together
    /// could hold is computed once.
    package func utilisation(_ fleet: FleetSettings) -> Double {
        guard let last = self.requests.last, last.arrivalMs > 0 else { return 0 }
        var pooled = fleet.replica
        pooled.cacheTokens *= fleet.replicas
        var cache = BlockCache(blocks: pooled.cacheTokens / Self.blockTokens)
        var seconds = 0.0
        for request in self.requests {
            seconds += pooled.prefillSeconds(request, cached: cache.use(request.blocks), decoding: 0)
        }
        return seconds / Double(fleet.replicas) / (last.arrivalMs / 1_000)
    }
}
