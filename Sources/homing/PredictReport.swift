import ArgumentParser
import Connection
import Foundation
import Transport
import Wire

/// What `homing predict` says about a call, for people and for programs.
struct PredictReport {
    let outcome: PredictRun.Outcome
    let address: Endpoint

    init(_ outcome: PredictRun.Outcome, address: Endpoint) {
        self.outcome = outcome
        self.address = address
    }

    /// A few lines without a final line end.
    var text: String {
        var lines: [String] = []
        if let explanation = self.outcome.explanation {
            let retries = explanation.retries > 0 ? ", after \(explanation.retries) that failed" : ""
            lines.append("replica         \(explanation.replica) (\(explanation.reason)\(retries))")
        } else {
            lines.append("replica         \(self.address) does not say: it is no homing, or explains nothing")
        }
        if let share = self.outcome.explanation?.matchedShare, let explanation = self.outcome.explanation {
            let matched = explanation.matchedBytes ?? 0
            let prompt = explanation.promptBytes ?? 0
            lines.append("prompt matched  \(Int(share * 100)) % (\(matched) of \(prompt) bytes)")
        }
        if let first = self.outcome.firstTokenMs { lines.append("first token     \(Self.ms(first))") }
        lines.append("tokens          \(self.outcome.tokens) in \(Self.ms(self.outcome.totalMs))")
        return lines.joined(separator: "\n")
    }

    /// The same as one object, with the answer; keys without a value are absent.
    func json() throws -> String {
        let explanation = self.outcome.explanation
        let (status, statusText) = self.result
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(
            Fields(
                address: self.address.description, replica: explanation?.replica, reason: explanation?.reason,
                retries: explanation?.retries, matchedBytes: explanation?.matchedBytes,
                promptBytes: explanation?.promptBytes, matchedShare: explanation?.matchedShare,
                firstTokenMs: self.outcome.firstTokenMs, totalMs: self.outcome.totalMs, tokens: self.outcome.tokens,
                promptTokens: Int(self.outcome.last.promptTokens), promptMs: self.outcome.last.promptMs,
                text: String(decoding: self.outcome.text, as: UTF8.self), status: status,
                statusText: statusText.isEmpty ? nil : statusText))
        return String(decoding: data, as: UTF8.self)
    }

    private struct Fields: Encodable {
        var address: String
        var replica: String?
        var reason: String?
        var retries: Int?
        var matchedBytes: Int?
        var promptBytes: Int?
        var matchedShare: Double?
        var firstTokenMs: Double?
        var totalMs: Double
        var tokens: Int
        var promptTokens: Int
        var promptMs: Double
        var text: String
        var status: String
        var statusText: String?
    }

    /// The gRPC status's name, or `FAILED` when there is none, and what there is to say about it.
    private var result: (name: String, text: String) {
        switch self.outcome.end {
        case .status(let status): (status.code.name, status.text)
        case .failed(let failure): ("FAILED", failure.text(self.address))
        }
    }

    /// Throws the exit code of a call that failed, and says why on stderr.
    func throwIfFailed() throws {
        switch self.outcome.end {
        case .status(let status):
            guard status.code != .ok else { return }
            throw ExitReason.failed(
                "\(self.address) answered \(status.code.name)" + (status.text.isEmpty ? "" : ": \(status.text)"))
        case .failed(.connectFailed(let failure)):
            throw ExitReason.unreachable(DirectCall.Failure.connectFailed(failure).text(self.address))
        case .failed(let failure): throw ExitReason.failed(failure.text(self.address))
        }
    }

    /// `12.3 ms`, and whole ones from 100 on.
    static func ms(_ value: Double) -> String {
        value < 100 ? String(format: "%.1f ms", value) : "\(Int(value.rounded())) ms"
    }
}

extension DirectCall.Failure {
    /// What happened at `address`, without a full stop.
    func text(_ address: Endpoint) -> String {
        switch self {
        case .connectFailed(.refused): "nothing listens at \(address)"
        case .connectFailed(.timedOut): "\(address) did not take the connection in time"
        case .connectFailed(.unreachable(let why)): "\(address) cannot be reached: \(why)"
        case .connectFailed(.tls(let why)):
            "no TLS with \(address): \(why.detail) (\(why.kind.rawValue))"
        case .connectionLost: "\(address) closed the connection before its answer was complete"
        case .reset(let code): "\(address) reset the call with \(code) before its answer was complete"
        case .timedOut: "\(address) did not answer in time"
        case .notGRPC(let status?): "\(address) answered with HTTP status \(status), which is not gRPC"
        case .notGRPC(nil): "\(address) answered with something that is not gRPC"
        }
    }
}
