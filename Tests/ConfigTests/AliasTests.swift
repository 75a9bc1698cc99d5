import Testing

@testable import Config

struct AliasTests {
    @Test func `what a section says itself wins over what it merges, and the first merged over the next`() {
        let text = """
            limits: &a { wait_ms: 1, size_bytes: 2 }
            extra:
              size_bytes: 9
              <<: [*a, { wait_ms: 7 }]
            """
        let (settings, findings) = read(text)
        #expect(findings.problems.isEmpty)
        #expect(settings.extra?.waitMs == 1)
        #expect(settings.extra?.sizeBytes == 9)
    }

    @Test func `a merge key that merges no section is a problem`() {
        #expect(
            problems("limits: { <<: 3 }") == ["line 1: limits.<<: expected a section or a list of sections to merge"])
        #expect(problems("<<: [[]]") == ["line 1: <<: expected a section or a list of sections to merge"])
    }

    @Test func `a problem in an aliased section is reported where it is written, under the path where it is used`() {
        let text = """
            limits: &a
              wait_ms: no
            extra: *a
            """
        #expect(
            problems(text) == [
                #"line 2: limits.wait_ms: expected a whole number, 1 to 60000, found "no""#,
                #"line 2: extra.wait_ms: expected a whole number, 1 to 60000, found "no""#,
            ])
    }

    @Test func `lists that grow through aliases end at a bound`() {
        let members = "members: &m [" + Array(repeating: "a", count: 1_000).joined(separator: ", ") + "]"
        let groups = (1...1_000).map { "  - { name: g\($0), members: *m }\n" }.joined()
        let found = read("groups:\n  - name: g0\n    \(members)\n\(groups)").findings.problems
        #expect(found.map(\.text) == ["more than \(Reading.mostElements) list elements in one file"])
    }

    @Test func `merges that grow through aliases end at a bound`() {
        var text = "tags: []\nextra: &x0 { wait_ms: 1 }\nnote: x\n"
        for level in 1...40 {
            text += "k\(level): &x\(level) { <<: [*x\(level - 1), *x\(level - 1), *x\(level - 1)] }\n"
        }
        text += "limits: *x40\n"
        let found = read(text).findings.problems
        #expect(found.contains { $0.text == "more than \(Reading.mostMerges) merged sections in one file" })
    }

    @Test func `values that grow through aliases are not followed where nobody asks for them`() {
        var text = "x0: &x0 [a, b]\n"
        for level in 1...60 { text += "x\(level): &x\(level) [*x\(level - 1), *x\(level - 1)]\n" }
        let found = read(text).findings.problems
        #expect(found.count == 61)
        #expect(found.allSatisfy { $0.text.hasPrefix("unknown key") })
    }

    @Test(arguments: [
        "? *x60\n: 1\n", "*x60 : 1\n", "k: { *x60 }\n", "k: [ *x60 : 1 ]\n", "? [ *x60 ]\n: 1\n", "? { a: *x60 }\n",
    ])
    func `keys that grow through aliases are refused before anyone compares them`(line: String) {
        var text = "x0: &x0 [a, b]\n"
        for level in 1...60 { text += "x\(level): &x\(level) [*x\(level - 1), *x\(level - 1)]\n" }
        #expect(problems(text + line) == ["line 62: a key must be text, not an alias, a list or a section"])
    }

    @Test func `a key that stands twice is found in a file with aliases`() {
        #expect(
            problems("limits: &a { wait_ms: 1, wait_ms: 2 }\nextra: *a\n") == [
                "line 1: limits.wait_ms: the key stands more than once in its section; keep one of them",
                "line 1: extra.wait_ms: the key stands more than once in its section; keep one of them",
            ])
    }

    @Test func `a star in a text is no alias`() {
        let (settings, findings) = read("title: \"*\"\ntags: ['*a', \"b*\", c*d]\n# *\n")
        #expect(findings.problems.isEmpty)
        #expect(settings.title == "*")
        #expect(settings.tags == ["*a", "b*", "c*d"])
    }

    @Test func `no more problems are kept than anyone reads`() {
        let text = (0..<5_000).map { "unknown\($0): 1\n" }.joined()
        let found = read(text).findings.problems
        #expect(found.count == Reading.mostProblems + 1)
        #expect(found.last?.text == "there are more problems than these")
    }
}
