import Foundation
import Routing

/// One line for `DecideSession`, of any type: absent fields are nil.
struct DecideMessage: Decodable {
    var type: String
    var `protocol`: Int?
    var replicas: Replicas?
    var block_tokens: Double?
    var bytes_per_token: Double?
    var concurrency_limit: Int?
    var prompt_text: Bool?
    var now_ms: Double?
    var id: RequestID?
    var prompt_bytes: Int?
    var blocks: [String]?
    var prompt: String?
    var replica: Int?
    var ttft_ms: Double?
    var prompt_tokens: Int?
    var output_tokens: Int?
    var prompt_ms: Double?

    /// A number in `init`, a list of what each is doing in `arrive`. What they are doing the table knows itself.
    enum Replicas: Decodable {
        case number(Int)
        case list([Load])

        struct Load: Decodable {
            var in_flight: Int
            var awaiting_first_token: Int
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                self = .number(number)
            } else {
                self = .list(try container.decode([Load].self))
            }
        }

        var count: Int {
            switch self {
            case .number(let number): number
            case .list(let list): list.count
            }
        }

        var isList: Bool {
            switch self {
            case .number: false
            case .list: true
            }
        }
    }

    func now() throws(DecideError) -> Instant {
        guard let now = self.now_ms, (0...1e12).contains(now) else {
            throw DecideError("now_ms is a number that is not negative")
        }
        return Instant(nanoseconds: UInt64((now * 1e6).rounded()))
    }
}

/// The caller's name for a request: a whole number or a text, given back as it came.
enum RequestID: Codable, Hashable {
    case number(Int64)
    case text(String)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            self = .number(number)
        } else {
            self = .text(try container.decode(String.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let number): try container.encode(number)
        case .text(let text): try container.encode(text)
        }
    }
}

/// One line from `DecideSession`.
struct DecideAnswer: Encodable {
    struct Dispatch: Encodable {
        var id: RequestID
        var replica: Int
    }

    var replica: Int?
    var hold: Bool?
    var dispatch: [Dispatch]?
    var wake_ms: Double?
    var error: String?
}

/// What is wrong with a line, in words that hold no part of it.
struct DecideError: Error {
    let text: String

    init(_ text: String) {
        self.text = text
    }
}
