import Testing
import Wire

struct GRPCStatusCodeTests {
    private static func code(_ text: String) -> GRPCStatusCode? {
        Array(text.utf8).withRawSpan { GRPCStatusCode(text: $0) }
    }

    @Test func `all seventeen are read and written`() {
        #expect(GRPCStatusCode.allCases.count == 17)
        for (number, code) in GRPCStatusCode.allCases.enumerated() {
            #expect(code.text == "\(number)" && Self.code("\(number)") == code)
        }
        #expect(GRPCStatusCode.failedPrecondition.text == "9" && GRPCStatusCode.unavailable.text == "14")
        #expect(Set(GRPCStatusCode.allCases.map(\.name)).count == 17)
    }

    @Test(arguments: ["", " ", "17", "99", "00", "01", "-1", "+1", "1 ", "0x1", "100", "OK"])
    func `other texts are no status`(text: String) {
        #expect(Self.code(text) == nil)
    }
}
