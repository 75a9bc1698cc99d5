import Routing
import Testing

/// Chains of the own mode.
struct OwnChainTests {
    private static func text(_ bytes: Int, _ seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        return (0..<bytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// A chain of messages, each of which ends with a cut.
    private static func chain(_ messages: [[UInt8]], salt: UInt64 = 7, pieces: Int = .max) -> PrefixChain {
        var chain = PrefixChain(maxBytes: 1 << 20)
        chain.begin(salt: salt)
        for message in messages {
            for start in stride(from: 0, to: message.count, by: min(pieces, max(1, message.count))) {
                chain.append(message.span.extracting(start..<min(message.count, start + min(pieces, message.count))))
            }
            chain.cut()
        }
        chain.finish()
        return chain
    }

    @Test(arguments: [1, 7, 511, 512, 513, 5_000])
    func `text in pieces of any size makes the same chain`(pieces: Int) {
        let messages = [Self.text(3_000), Self.text(100), Self.text(70_000, 2)]
        let whole = Self.chain(messages)
        #expect(Self.chain(messages, pieces: pieces).values == whole.values)
        #expect(whole.byteCount == 73_100)
    }

    @Test func `the next turn matches all of this one`() {
        var messages = [Self.text(900)]
        var before = Self.chain(messages)
        for turn in 2..<40 as Range<UInt64> {
            messages.append(Self.text(Int(turn * turn * 7), turn))
            let now = Self.chain(messages)
            #expect(Array(now.values.prefix(before.count)) == before.values && now.count > before.count)
            before = now
        }
    }

    @Test func `a block's hash says all that stands before it`() {
        let (a, b) = (Self.text(512, 1), Self.text(512, 2))
        let chains = [[a, b], [b, a], [a, a], [b, b]].map { Self.chain($0) }
        #expect(Set(chains.flatMap(\.values)).count == 2 + 4)
        #expect(chains[0][0] == chains[2][0] && chains[0][1] != chains[3][1])
        #expect(Set(Self.chain([a, b], salt: 8).values).isDisjoint(with: chains[0].values))
    }

    @Test func `blocks grow with the depth, so that a long prompt has few`() {
        let chain = Self.chain([Self.text(1 << 20)])
        var end = 0
        for position in 0..<chain.count {
            let bytes = chain.bytes(inFirst: position + 1) - end
            #expect(bytes <= max(512, end / 64 * 2) && bytes <= 16_384)
            end += bytes
        }
        #expect(end == 1 << 20 && chain.count < 450)
    }

    @Test func `what one bit changes is changed in every block from there on`() {
        var message = Self.text(20_000)
        let before = Self.chain([message])
        message[10_000] ^= 1
        let after = Self.chain([message])
        let same = zip(before.values, after.values).prefix { $0 == $1 }.count
        #expect(same == 10_000 / 512 && zip(before.values, after.values).dropFirst(same).allSatisfy { $0 != $1 })
    }
}
