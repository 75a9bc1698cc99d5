import Testing

@testable import Discovery

/// Writes answers as name servers do, and wrong ones.
struct AnswerBytes {
    var bytes: [UInt8] = []

    /// A header and one question about `workers.test`; the name stands at offset 12.
    init(answers: Int, questions: Int = 1) {
        self.number16(7)
        self.number16(0x8180)
        for count in [questions, answers, 0, 0] { self.number16(count) }
        for _ in 0..<questions {
            self.name("workers.test")
            self.number16(1)
            self.number16(1)
        }
    }

    mutating func number16(_ value: Int) { self.bytes += [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }

    mutating func name(_ text: String) {
        for label in text.split(separator: ".") { self.bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
        self.bytes.append(0)
    }

    /// A record of the name at `offset`.
    mutating func record(_ type: Int, ttl: Int, _ data: [UInt8], offset: Int = 12, kind: Int = 1) {
        self.number16(0xC000 | offset)
        self.number16(type)
        self.number16(kind)
        self.number16(ttl >> 16)
        self.number16(ttl & 0xFFFF)
        self.number16(data.count)
        self.bytes += data
    }
}

@Suite struct `An answer of a name server` {
    private func service(_ priority: Int, _ weight: Int, _ port: Int, _ target: String) -> [UInt8] {
        var data = AnswerBytes(answers: 0, questions: 0)
        data.bytes = []
        for number in [priority, weight, port] { data.number16(number) }
        data.name(target)
        return data.bytes
    }

    @Test func `addresses come out as text, with the shortest time of all, aliases among them`() throws {
        var answer = AnswerBytes(answers: 3)
        answer.record(5, ttl: 20, [3] + Array("own".utf8) + [0])
        answer.record(1, ttl: 60, [10, 0, 0, 7])
        answer.record(28, ttl: 300, [0x20, 1, 0xD, 0xB8] + Array(repeating: 0, count: 11) + [1])
        let message = try #require(DNSMessage(answer.bytes))
        #expect(message.records == [.address("10.0.0.7"), .address("2001:db8::1")] && message.ttlSeconds == 20)
    }

    @Test func `services come out with their targets, compressed or not`() throws {
        var answer = AnswerBytes(answers: 2)
        answer.record(33, ttl: 5, self.service(10, 60, 50051, "w1.workers.test"))
        // `w2` and then the name of the question.
        answer.record(33, ttl: 5, [0, 20, 0, 0, 0xC3, 0x83, 2, UInt8(ascii: "w"), UInt8(ascii: "2"), 0xC0, 12])
        let message = try #require(DNSMessage(answer.bytes))
        #expect(
            message.records == [
                .service(DNSService(priority: 10, weight: 60, port: 50051, target: "w1.workers.test")),
                .service(DNSService(priority: 20, weight: 0, port: 50051, target: "w2.workers.test")),
            ])
    }

    @Test func `the root as a target is a dot`() throws {
        var answer = AnswerBytes(answers: 1)
        answer.record(33, ttl: 5, self.service(0, 0, 0, ""))
        #expect(
            try #require(DNSMessage(answer.bytes)).records == [
                .service(DNSService(priority: 0, weight: 0, port: 0, target: "."))
            ])
    }

    @Test func `records of another kind and of types that nobody asked for are passed over`() throws {
        var answer = AnswerBytes(answers: 3)
        answer.record(16, ttl: 9, [1, 2, 3])
        answer.record(1, ttl: 1, [1, 2, 3, 4], kind: 3)
        answer.record(1, ttl: 30, [10, 0, 0, 8])
        let message = try #require(DNSMessage(answer.bytes))
        #expect(message.records == [.address("10.0.0.8")] && message.ttlSeconds == 9)
    }

    @Test func `a time with its highest bit set is none`() throws {
        var answer = AnswerBytes(answers: 1)
        answer.record(1, ttl: 0x8000_0005, [10, 0, 0, 7])
        #expect(try #require(DNSMessage(answer.bytes)).ttlSeconds == 0)
    }

    @Test func `an answer that is cut anywhere is no answer`() {
        var answer = AnswerBytes(answers: 3)
        answer.record(33, ttl: 5, self.service(10, 60, 50051, "w1.workers.test"))
        answer.record(28, ttl: 300, Array(repeating: 0, count: 16))
        answer.record(1, ttl: 60, [10, 0, 0, 7])
        #expect(DNSMessage(answer.bytes)?.records.count == 3)
        for length in answer.bytes.indices {
            #expect(DNSMessage(Array(answer.bytes[..<length])) == nil, "cut after \(length) bytes")
        }
    }

    @Test func `names that go round in circles, forwards or outside end the reading`() {
        // At 12 stands the question's name; the records begin at 30.
        for offset in [30, 31, 200, 0x3FFF] {
            var answer = AnswerBytes(answers: 1)
            answer.record(1, ttl: 60, [10, 0, 0, 7], offset: offset)
            #expect(DNSMessage(answer.bytes) == nil, "pointer to \(offset)")
        }
        var twoStep = AnswerBytes(answers: 1, questions: 0)
        // 12 leads to 14 and that back to 12.
        twoStep.bytes += [0xC0, 14, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]
        #expect(DNSMessage(twoStep.bytes) == nil)
    }

    @Test(arguments: [[], [1, 2, 3], [1, 2, 3, 4, 5]])
    func `an address of a wrong length is no address`(data: [UInt8]) {
        var answer = AnswerBytes(answers: 1)
        answer.record(1, ttl: 60, data)
        #expect(DNSMessage(answer.bytes) == nil)
    }

    @Test func `a service whose target does not fill its record, or is no name of a host, is none`() {
        for data in [
            self.service(1, 1, 1, "w1.test") + [0], Array(self.service(1, 1, 1, "w1.test").dropLast()),
            self.service(1, 1, 1, "w 1.test"), self.service(1, 1, 1, "w1:50051"), [0, 1],
        ] {
            var answer = AnswerBytes(answers: 1)
            answer.record(33, ttl: 5, data)
            #expect(DNSMessage(answer.bytes) == nil)
        }
    }

    @Test func `no bytes at all, whatever they are, do harm`() {
        let seed = UInt64.random(in: .min ... .max)
        var random = Xorshift(state: seed | 1)
        var valid = AnswerBytes(answers: 3)
        valid.record(33, ttl: 5, self.service(10, 60, 50051, "w1.workers.test"))
        valid.record(28, ttl: 300, Array(repeating: 9, count: 16))
        valid.record(1, ttl: 60, [10, 0, 0, 7])
        var understood = 0
        for _ in 0..<5_000 {
            var bytes = valid.bytes
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            guard let message = DNSMessage(bytes) else { continue }
            understood += 1
            #expect(message.records.count <= 3, "seed \(seed)")
        }
        #expect(understood > 0, "seed \(seed)")
    }

    @Test(arguments: [
        ([0, 0, 0, 0, 0, 0, 0, 1], "::1"), ([0, 0, 0, 0, 0, 0, 0, 0], "::"),
        ([0x2001, 0xDB8, 0, 0, 1, 0, 0, 1], "2001:db8::1:0:0:1"),
        ([0x2001, 0xDB8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"),
        ([0xFE80, 0, 0, 0, 0, 0, 0, 0], "fe80::"), ([0, 0, 1, 0, 0, 0, 0, 2], "0:0:1::2"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "1:2:3:4:5:6:7:8"),
    ])
    func `an IPv6 address is written as everybody writes it`(groups: [Int], text: String) {
        let bytes = groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        #expect(DNSAddressText.v6(bytes[...]) == text)
    }
}

struct Xorshift: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state ^= self.state << 13
        self.state ^= self.state >> 7
        self.state ^= self.state << 17
        return self.state
    }
}
