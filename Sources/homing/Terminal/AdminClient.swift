import Foundation
import Transport
import Wire

/// Asks the admin port of a running homing: one HTTP/1.1 request on a connection of its own, and its whole answer.
struct AdminClient: Sendable {
    /// Why there is no answer to work with.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let address: Endpoint
    /// Sent as `authorization: Bearer TOKEN`; nil for none.
    let token: String?
    let loop: Loop

    static let timeoutMs = 5_000
    /// A bigger answer is none of homing's.
    fileprivate static let mostBytes = 64 * 1024 * 1024

    /// The answer to GET: its status and its body. Throws when there is none within five seconds, and for a token that is
    /// missing or wrong.
    func get(_ path: String) async throws(Failure) -> (status: Int, body: Data) { try await self.ask("GET", path) }

    /// The answer to a request that changes something. Throws as `get` does.
    /// - Parameters:
    ///   - body: JSON; empty for none.
    ///   - timeoutMs: a reload reads files, and waits for every loop.
    func ask(
        _ method: String, _ path: String, body: Data = Data(), timeoutMs: Int = AdminClient.timeoutMs
    ) async throws(Failure) -> (status: Int, body: Data) {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(self.host)\r\nConnection: close\r\nUser-Agent: homing\r\n"
        if let token = self.token { head += "Authorization: Bearer \(token)\r\n" }
        if method != "GET" { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
        let (address, request) = (self.address, Array((head + "\r\n").utf8) + Array(body))
        let loop = self.loop
        let end: AdminExchange.End = await withCheckedContinuation { continuation in
            loop.execute {
                let exchange = AdminExchange(request, on: loop) { continuation.resume(returning: $0) }
                exchange.start(to: address, timeoutMs: timeoutMs)
            }
        }
        switch end {
        case .failed(let why): throw Failure(description: "cannot reach \(address): \(why)")
        case .answered(let bytes):
            guard let answer = Self.parsed(bytes) else {
                throw Failure(description: "\(address) does not answer as an admin port does")
            }
            guard answer.status != 401 else {
                throw Failure(
                    description: self.token == nil
                        ? "\(address) asks for a token; set HOMING_ADMIN_TOKEN or --token-file"
                        : "\(address) does not accept the token")
            }
            return answer
        }
    }

    /// The answer to GET as a value. Throws for every status but 200.
    func get<Value: Decodable>(_ path: String, as _: Value.Type) async throws(Failure) -> Value {
        let answer = try await self.get(path)
        guard answer.status == 200 else {
            throw Failure(description: "\(self.address) answers \(path) with status \(answer.status)")
        }
        do {
            return try JSONDecoder().decode(Value.self, from: answer.body)
        } catch {
            throw Failure(description: "\(self.address) answers \(path) as another version of homing does")
        }
    }

    private var host: String {
        switch self.address.kind {
        case .host: self.address.description
        case .unix: "localhost"
        }
    }

    /// Status and body of a whole answer; nil when it is none.
    static func parsed(_ bytes: [UInt8]) -> (status: Int, body: Data)? {
        let data = Data(bytes)
        guard let end = data.firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        let body = data[end.upperBound...]
        for line in lines.dropFirst() where line.lowercased().hasPrefix("content-length:") {
            let length = Int(line.drop { $0 != ":" }.dropFirst().drop { $0 == " " })
            // Less than was announced: the connection broke.
            guard length == body.count else { return nil }
        }
        return (status, Data(body))
    }
}

/// One request and what comes back until the peer closes. Lives on one loop; its link keeps it alive.
private final class AdminExchange: LinkHandler {
    enum End: Sendable {
        case answered([UInt8])
        case failed(String)
    }

    private let loop: Loop
    private var unsent: ArraySlice<UInt8>
    private var received: [UInt8] = []
    private var finish: ((End) -> Void)?
    private var link: Link?
    private var timer: LoopTimer?
    private var timedOut = false

    init(_ request: [UInt8], on loop: Loop, finish: @escaping (End) -> Void) {
        self.unsent = request[...]
        self.loop = loop
        self.finish = finish
    }

    func start(to address: Endpoint, timeoutMs: Int) {
        let link = Link(on: self.loop, handler: self)
        self.link = link
        let bound = LoopBound(self, on: self.loop)
        self.timer = self.loop.schedule(after: UInt64(timeoutMs) * 1_000_000) {
            bound.value.timedOut = true
            bound.value.link?.close()
        }
        Connector.connect(link, to: address, timeoutMs: timeoutMs)
    }

    func linkOpened() { self.link?.needsDrain() }

    func linkReceived(_ bytes: RawSpan) {
        self.received += bytes.copied
        if self.received.count > AdminClient.mostBytes { self.link?.close() }
    }

    func linkDrains(into output: inout OutputRawSpan) -> Bool {
        while let byte = self.unsent.first, output.freeCapacity > 0 {
            output.append(byte)
            self.unsent.removeFirst()
        }
        return !self.unsent.isEmpty
    }

    func linkClosed(_ closure: LinkClosure) {
        self.timer?.cancel()
        self.link = nil
        let finish = self.finish
        self.finish = nil
        finish?(self.end(closure))
    }

    private func end(_ closure: LinkClosure) -> End {
        if self.timedOut { return .failed("no answer in time") }
        switch closure {
        case .closedByPeer: return .answered(self.received)
        case .closedByUs: return .failed("the answer is too long")
        case .broken(let why): return .failed(why)
        case .connectFailed(.refused): return .failed("nobody listens there")
        case .connectFailed(.timedOut): return .failed("no connection in time")
        case .connectFailed(.unreachable(let why)): return .failed(why)
        case .connectFailed(.tls(let failure)): return .failed("\(failure)")
        }
    }
}
