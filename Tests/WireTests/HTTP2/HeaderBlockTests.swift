import Testing

@testable import Wire

struct HeaderBlockTests {
    typealias Header = (name: String, value: String)

    private func append(_ header: Header, to block: HeaderBlock) {
        let (name, value) = (Array(header.name.utf8), Array(header.value.utf8))
        unsafe name.withUnsafeBufferPointer { name in
            unsafe value.withUnsafeBufferPointer { unsafe block.append(name: name, value: $0, flags: 0) }
        }
    }

    private func block(_ headers: [Header]) -> HeaderBlock {
        let block = HeaderBlock()
        for header in headers { self.append(header, to: block) }
        return block
    }

    private func expect(_ block: HeaderBlock, _ headers: [Header]) {
        #expect(block.strings.map { "\($0.name): \($0.value)" } == headers.map { "\($0.name): \($0.value)" })
    }

    static let known: [(name: String, token: HeaderToken)] = [
        (":method", .method), (":scheme", .scheme), (":authority", .authority), (":path", .path),
        (":status", .status), ("content-type", .contentType), ("te", .te), ("user-agent", .userAgent),
        ("grpc-timeout", .grpcTimeout), ("grpc-status", .grpcStatus), ("grpc-message", .grpcMessage),
        ("x-homing-explain", .homingExplain), ("authorization", .authorization), ("host", .host),
        ("x-request-id", .requestID), ("traceparent", .traceParent),
    ]

    @Test(arguments: known)
    func `a known name is known whole, and none that differs from it in a byte`(name: String, token: HeaderToken) {
        let block = self.block([(name, "value")])
        #expect(block[0].token == token && block.contains(token) && block.string(token) == "value")
        self.expect(block, [(name, "value")])
        for position in name.utf8.indices {
            var bytes = Array(name.utf8)
            bytes[name.utf8.distance(from: name.utf8.startIndex, to: position)] ^= 1
            let other = String(decoding: bytes, as: UTF8.self)
            let block = self.block([(other, "value")])
            #expect(block[0].token == .other && !block.contains(token) && block.string(token) == nil)
            self.expect(block, [(other, "value")])
        }
    }

    @Test func `every token but one is some name's`() {
        #expect(Set(Self.known.map(\.token.rawValue)) == Set(1...UInt8(Self.known.count)))
        #expect(HeaderToken(rawValue: UInt8(Self.known.count) + 1) == nil)
    }

    @Test func `of headers of one name the first counts, and all are counted`() {
        let block = self.block([("x-a", "1"), ("host", "first"), ("x-a", "2"), ("host", "second"), ("te", "")])
        #expect(block.string(.host) == "first")
        #expect(block.count(of: .host) == 2)
        #expect(block.count(of: .te) == 1 && block.string(.te) == "")
        #expect(block.count(of: .path) == 0 && !block.contains(.path))
        #expect(block.withValue(named: Array("x-a".utf8)) { $0.text } == "1")
    }

    @Test func `nothing of a list is left after it was removed`() {
        let block = self.block([("host", "a"), ("x-b", "c")])
        block.removeAll()
        #expect(block.isEmpty && block.size == 0 && block.strings.isEmpty)
        for (_, token) in Self.known { #expect(!block.contains(token) && block.string(token) == nil) }
        self.append(("te", "trailers"), to: block)
        #expect(!block.contains(.host) && block.string(.te) == "trailers")
        self.expect(block, [("te", "trailers")])
        #expect(block.size == 2 + 8 + 32)
    }

    @Test func `lists of every size, on top of one another, say what they were given`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededNumbers(seed: seed)
        let block = HeaderBlock()
        for _ in 0..<60 {
            let headers: [Header] = (0..<Int.random(in: 0...90, using: &random)).map { _ in
                let name = Bool.random(using: &random) ? Self.known.randomElement(using: &random)!.name : "x-other"
                return (name, String(repeating: "v", count: Int.random(in: 0...200, using: &random)))
            }
            block.removeAll()
            for header in headers { self.append(header, to: block) }
            self.expect(block, headers)
            let size = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
            #expect(block.size == size, "seed \(seed)")
            for (name, token) in Self.known {
                let values = headers.filter { $0.name == name }.map(\.value)
                #expect(block.count(of: token) == values.count && block.string(token) == values.first, "seed \(seed)")
            }
        }
    }
}
