import Foundation
package import Routing

/// `homing decide`: the router on pipes. One line in, one line out; time is what the lines say it is.
///
/// ```
/// init ──► arrive ──► first_token ──► end          any answer may dispatch held requests and ask to be woken
///            └ hold ┄► dispatch ┘
/// ```
/// A line that makes no sense is answered with an error and changes nothing.
package struct DecideSession {
    private let settings: RoutingSettings
    fileprivate var fleet: Fleet?
    private let decoder = JSONDecoder()
    /// Nothing more is to be read.
    package private(set) var isOver = false

    /// What there is after `init`.
    fileprivate struct Fleet {
        var table: ReplicaTable
        var replicas: [ReplicaID]
        var chain: PrefixChain
        var blockBytes: Int
        var readsText: Bool
        var requests: [RequestID: Request] = [:]
        var names: [UInt64: RequestID] = [:]
        var nextNumber: UInt64 = 0
        var now = Instant(nanoseconds: 0)
    }

    fileprivate struct Request {
        var number: UInt64
        /// nil while it is held.
        var lease: Lease?
        var hadFirstToken = false
    }

    package init(settings: RoutingSettings) {
        self.settings = settings
    }

    /// The answer to one line, without line ends.
    package mutating func answer(_ line: some Collection<UInt8>) -> String {
        do {
            guard let message = try? self.decoder.decode(DecideMessage.self, from: Data(line)) else {
                throw DecideError("no JSON object with a type and fields as documented")
            }
            return try self.answer(message)
        } catch let error as DecideError {
            return Self.text(DecideAnswer(error: error.text))
        } catch {
            return Self.text(DecideAnswer(error: "no answer to that"))
        }
    }

    private mutating func answer(_ message: DecideMessage) throws -> String {
        var answer = DecideAnswer()
        switch message.type {
        case "init": try self.begin(message)
        case "bye": self.isOver = true
        case "arrive", "first_token", "end", "wake":
            guard self.fleet != nil else { throw DecideError("init comes first") }
            let now = try message.now()
            switch message.type {
            case "arrive": try self.arrive(message, now, &answer)
            case "first_token": try self.firstToken(message, now)
            case "end": try self.end(message, now)
            default: self.fleet?.advance(to: now)
            }
            self.dispatch(message.id, &answer)
        default: throw DecideError("unknown type")
        }
        return Self.text(answer)
    }

    private mutating func begin(_ message: DecideMessage) throws {
        guard self.fleet == nil else { throw DecideError("init comes once") }
        guard message.protocol == 1 else { throw DecideError("only protocol 1 is spoken") }
        guard let count = message.replicas?.count, (1...4_096).contains(count) else {
            throw DecideError("replicas is a number from 1 to 4096")
        }
        let blockTokens = message.block_tokens ?? Double(Trace.blockTokens)
        let bytesPerToken = message.bytes_per_token ?? 4
        guard (1...1e6).contains(blockTokens), (0.01...1e3).contains(bytesPerToken) else {
            throw DecideError("block_tokens is 1 to 1000000, bytes_per_token 0.01 to 1000")
        }
        let limit = message.concurrency_limit ?? 0
        guard (0...1_000_000).contains(limit) else { throw DecideError("concurrency_limit is not negative") }
        var settings = self.settings
        settings.expectedTTFT.bytesPerToken = bytesPerToken
        settings.expectedTTFT.startsInLine = true
        if limit > 0 { settings.expectedTTFT.slots = limit }
        var table = ReplicaTable(settings: settings)
        let replicas = (0..<count).map { table.add(name: "replica-\($0)", weight: 1) }
        for replica in replicas { table.setAvailability(replica, .available) }
        self.fleet = Fleet(
            table: table, replicas: replicas, chain: PrefixChain(settings: settings),
            blockBytes: max(1, Int((blockTokens * bytesPerToken).rounded())), readsText: message.prompt_text ?? false)
    }

    private mutating func arrive(_ message: DecideMessage, _ now: Instant, _ answer: inout DecideAnswer) throws {
        guard let id = message.id else { throw DecideError("an arrival has an id") }
        guard self.fleet?.requests[id] == nil else { throw DecideError("this id is in use") }
        if let rows = message.replicas, rows.count != self.fleet?.replicas.count || !rows.isList {
            throw DecideError("replicas lists all of them")
        }
        try self.fleet?.makeChain(message)
        self.fleet?.advance(to: now)
        guard let outcome = self.fleet?.arrive(id) else { throw DecideError("no replica") }
        answer.replica = outcome
        answer.hold = outcome == nil ? true : nil
    }

    private mutating func firstToken(_ message: DecideMessage, _ now: Instant) throws {
        let (id, lease) = try self.sent(message)
        guard self.fleet?.requests[id]?.hadFirstToken == false else { throw DecideError("it had its first token") }
        self.fleet?.advance(to: now)
        self.fleet?.requests[id]?.hadFirstToken = true
        if let now = self.fleet?.now { self.fleet?.table.firstResponse(lease, at: now) }
    }

    private mutating func end(_ message: DecideMessage, _ now: Instant) throws {
        let (id, lease) = try self.sent(message)
        let observation = StreamObservation(
            promptTokens: message.prompt_tokens ?? 0, outputTokens: message.output_tokens ?? 0,
            promptMs: message.prompt_ms ?? 0)
        guard observation.promptTokens >= 0, observation.outputTokens >= 0, observation.promptMs >= 0 else {
            throw DecideError("tokens and times are not negative")
        }
        self.fleet?.advance(to: now)
        if let request = self.fleet?.requests.removeValue(forKey: id) { self.fleet?.names[request.number] = nil }
        if let now = self.fleet?.now { self.fleet?.table.release(lease, .served, observation, at: now) }
    }

    /// The request that a line is about, which must have been sent to the replica that it names.
    private func sent(_ message: DecideMessage) throws -> (RequestID, Lease) {
        guard let id = message.id, let request = self.fleet?.requests[id] else { throw DecideError("unknown id") }
        guard let lease = request.lease else { throw DecideError("it is held and was not sent") }
        if let replica = message.replica {
            guard replica >= 0, replica < self.fleet?.replicas.count ?? 0,
                self.fleet?.replicas[replica] == lease.replica
            else { throw DecideError("it was sent to another replica") }
        }
        return (id, lease)
    }

    private mutating func dispatch(_ current: RequestID?, _ answer: inout DecideAnswer) {
        while let (id, replica) = self.fleet?.nextDispatch() {
            if answer.hold == true, id == current {
                answer.hold = nil
                answer.replica = replica
            } else {
                answer.dispatch = (answer.dispatch ?? []) + [DecideAnswer.Dispatch(id: id, replica: replica)]
            }
        }
        answer.wake_ms = self.fleet?.table.wakeAt.map { (Double($0.nanoseconds) / 1e3).rounded(.up) / 1e3 }
    }

    private static func text(_ answer: DecideAnswer) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(answer)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

extension DecideSession.Fleet {
    /// A line that is late is taken for one of now.
    fileprivate mutating func advance(to now: Instant) { self.now = max(self.now, now) }

    fileprivate mutating func makeChain(_ message: DecideMessage) throws {
        self.chain.begin(salt: 0)
        if self.readsText {
            guard let prompt = message.prompt else { throw DecideError("an arrival has a prompt") }
            let bytes = Array(prompt.utf8)
            self.chain.append(bytes.span)
        } else {
            guard let blocks = message.blocks, let bytes = message.prompt_bytes, bytes >= 0 else {
                throw DecideError("an arrival has prompt_bytes and blocks")
            }
            var left = bytes
            for (position, text) in blocks.enumerated() {
                guard text.utf8.count == 16,
                    text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                    let block = UInt64(text, radix: 16)
                else { throw DecideError("a block is 16 hexadecimal digits") }
                let size = position == blocks.count - 1 ? left : min(left, self.blockBytes)
                self.chain.append(block: block, bytes: max(1, size))
                left = max(0, left - size)
            }
        }
        self.chain.finish()
    }

    /// Returns the replica's position, nil when it is held; nil in nil when there is none.
    fileprivate mutating func arrive(_ id: RequestID) -> Int?? {
        let number = self.nextNumber
        guard let outcome = self.table.arrive(number, self.chain, at: self.now) else { return nil }
        self.nextNumber += 1
        self.names[number] = id
        switch outcome {
        case .picked(let decision):
            self.requests[id] = DecideSession.Request(number: number, lease: decision.lease)
            return .some(Int(decision.replica.number))
        case .refused: return nil
        case .hold:
            self.requests[id] = DecideSession.Request(number: number, lease: nil)
            return .some(nil)
        }
    }

    fileprivate mutating func nextDispatch() -> (RequestID, Int)? {
        guard let dispatch = self.table.nextDispatch(at: self.now), let decision = dispatch.decision,
            let id = self.names[dispatch.id]
        else { return nil }
        self.requests[id]?.lease = decision.lease
        return (id, Int(decision.replica.number))
    }
}
