import Testing
import Wire

/// Tokens are compared whole, byte by byte, and never told.
struct BearerTokenTests {
    private static let token = BearerToken("s3cret/Token+1==", from: .environment("T"))

    private static func matches(_ value: String) -> Bool { Array(value.utf8).withRawSpan { self.token.matches($0) } }

    @Test func `only the token itself matches`() {
        #expect(Self.matches("Bearer s3cret/Token+1=="))
        let right = Array("Bearer s3cret/Token+1==".utf8)
        for index in right.indices {
            for bit in 0..<8 {
                var wrong = right
                wrong[index] ^= 1 << UInt8(bit)
                #expect(!wrong.withRawSpan { Self.token.matches($0) }, "byte \(index), bit \(bit)")
            }
            #expect(!Array(right[..<index]).withRawSpan { Self.token.matches($0) }, "the first \(index) bytes")
        }
        #expect(!Self.matches("Bearer s3cret/Token+1==="))
        #expect(!Self.matches("Bearer Bearer s3cret/Token+1=="))
        #expect(!Self.matches(""))
    }

    @Test(arguments: [
        ("Bearer x", true), ("Bearer  x", true), ("Bearer ", false), ("Bearer", false), ("bearer x", false),
        ("BEARER x", false), ("Basic x", false), (" Bearer x", false), ("", false), ("Bearer\tx", false),
    ])
    func `the scheme is exact`(value: String, isBearer: Bool) {
        #expect(Array(value.utf8).withRawSpan { BearerToken.hasScheme($0) } == isBearer)
    }

    @Test func `nothing prints it`() {
        var dumped = ""
        dump(Self.token, to: &dumped)
        dump([Self.token as BearerToken?], to: &dumped)
        for text in ["\(Self.token)", String(reflecting: Self.token), "\([Self.token])", dumped] {
            #expect(!text.contains("s3cret"), "\(text)")
        }
        #expect(Self.token.reveal() == "s3cret/Token+1==")
        #expect(Self.token.revealHeader() == Array("Bearer s3cret/Token+1==".utf8))
    }

    @Test(arguments: [("abc", true), ("~!*", true), ("a b", false), ("ä", false), ("a\n", false), ("\u{7F}", false)])
    func `what a header cannot carry is known`(text: String, isSendable: Bool) {
        #expect(BearerToken(text, from: .file("/f")).isSendable == isSendable)
    }
}
