import Testing
import Wire

struct GRPCMessageTextTests {
    private static func decoded(_ value: String) -> String {
        String(decoding: Array(value.utf8).withRawSpan { GRPCMessageText.decoded($0) }, as: UTF8.self)
    }

    @Test(
        arguments: [
            ("", ""), ("Model not loaded", "Model not loaded"), ("100%", "100%25"), ("a\nb\tc", "a%0Ab%09c"),
            ("ü", "%C3%BC"), ("~ !\"", "~ !\""), ("\u{7F}\0", "%7F%00"), ("日", "%E6%97%A5"),
        ])
    func `texts are written as the protocol has them and read back`(text: String, value: String) {
        #expect(String(decoding: GRPCMessageText.encoded(text), as: UTF8.self) == value)
        #expect(Self.decoded(value) == text)
    }

    @Test(
        arguments: [
            ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%4g", "%4g"), ("a%", "a%"), ("%%41", "%A"), ("%c3%bc", "ü"),
            ("%E6%97", "\u{FFFD}"),
        ])
    func `odd values are read as far as they go`(value: String, text: String) {
        #expect(Self.decoded(value) == text)
    }

    @Test func `every byte survives and the value holds only printable ASCII`() {
        let bytes = (0...255).map { UInt8($0) } + [0x25, 0x34, 0x31]
        let value = bytes.withRawSpan { GRPCMessageText.encoded($0) }
        #expect(value.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(value.withRawSpan { GRPCMessageText.decoded($0) } == bytes)
    }
}
