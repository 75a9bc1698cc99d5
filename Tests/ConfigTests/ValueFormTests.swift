import Testing

@testable import Config

struct ValueFormTests {
    @Test(arguments: [
        ("0", 0), ("12", 12), ("-12", -12), ("+12", 12), ("1_000", 1_000), ("9223372036854775807", Int.max),
        ("9223372036854775808", nil), ("", nil), ("-", nil), ("010", nil), ("0x10", nil), ("1e3", nil), ("1.0", nil),
        ("_1", nil), ("1_", nil), ("1 ", nil), ("١", nil), ("5s", nil),
    ])
    func `a whole number is decimal digits`(text: String, value: Int?) {
        #expect((try? ValueForm<Int>.int().parse(ScalarText(text, isText: false))) == value)
        #expect((try? ValueForm<Int>.int().parse(ScalarText(text, isText: true))) == nil)
    }

    @Test(arguments: [
        ("0", 0.0), ("1", 1.0), ("0.5", 0.5), ("1e-3", 0.001), (".5", 0.5), ("nan", nil), ("inf", nil), (".inf", nil),
        ("1e999", nil), ("0x1p3", nil), ("", nil), ("1,5", nil),
    ])
    func `a number is finite`(text: String, value: Double?) {
        #expect((try? ValueForm<Double>.double().parse(ScalarText(text, isText: false))) == value)
    }

    @Test func `bounds belong to the range`() {
        let form = ValueForm<Int>.int(in: 1...3)
        let accepted = (-1...5).filter { (try? form.parse(ScalarText("\($0)", isText: false))) != nil }
        #expect(accepted == [1, 2, 3])
        #expect(form.expects == "a whole number, 1 to 3")
        #expect(ValueForm<Int>.int(in: .min...3).expects == "a whole number, at most 3")
        #expect(ValueForm<Int>.int().expects == "a whole number")
        #expect(ValueForm<Double>.double(in: 1...(.greatestFiniteMagnitude)).expects == "a number, at least 1.0")
    }

    @Test(arguments: [
        ("polcy", "policy"), ("plicy", "policy"), ("oplicy", "policy"), ("POLICY", "policy"),
        ("interval", "interval_ms"),
        ("intervalms", "interval_ms"), ("zzz", nil), ("", nil), (String(repeating: "p", count: 100_000), nil),
    ])
    func `the nearest word is found, and none when nothing is near`(word: String, nearest: String?) {
        #expect(Spelling.nearest(to: word, among: ["block_bytes", "policy", "interval_ms"]) == nearest)
    }

    @Test func `distance counts insertions, removals, replacements and swaps`() {
        func distance(_ left: String, _ right: String) -> Int { Spelling.distance(Array(left), Array(right)) }
        #expect(distance("", "") == 0)
        #expect(distance("", "abc") == 3)
        #expect(distance("abc", "") == 3)
        #expect(distance("abc", "acb") == 1)
        #expect(distance("abc", "abd") == 1)
        #expect(distance("abc", "ab") == 1)
        #expect(distance("kitten", "sitting") == 3)
    }

    @Test func `text in a message is escaped and cut`() {
        #expect(quoted("a\"b\nc\u{1B}") == #""a\"b\nc\U0000001B""#)
        #expect(quoted("\u{202E}x") == #""\U0000202Ex""#)
        #expect(quoted(String(repeating: "é", count: 61)) == "\"" + String(repeating: "é", count: 60) + "…\"")
    }
}
