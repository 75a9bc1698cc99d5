import Testing

@testable import Config

struct ConfigTextTests {
    @Test func `every kind of value is read`() {
        let (settings, findings) = read(SampleSettings.file)
        #expect(findings.problems.isEmpty)
        var expected = SampleSettings()
        expected.threads = 4
        expected.share = 0.25
        expected.isOn = false
        expected.title = "on: \"x\""
        expected.color = .lightBlue
        expected.note = "it's"
        expected.tags = ["one", "two", "3"]
        expected.limits.waitMs = 10_000
        expected.limits.sizeBytes = 1
        expected.extra = SampleSettings.Limits()
        expected.extra?.waitMs = 5
        expected.extra?.sizeBytes = 1
        expected.groups = [SampleSettings.Group(), SampleSettings.Group()]
        expected.groups[0].name = "first"
        expected.groups[0].members = [SampleSettings.Member(), SampleSettings.Member()]
        expected.groups[0].members[0].who = "alice"
        expected.groups[0].members[1].who = "bob"
        expected.groups[0].members[1].weight = 2
        expected.groups[1].name = "second"
        expected.token = Secret("s3cret-env", from: .environment("SAMPLE_TOKEN"))
        #expect(settings == expected)
    }

    @Test(arguments: ["", "\n\n", "# nothing\n", "---\n", "~", "{}", "threads:\nlimits: ~\ngroups:\n"])
    func `a file that says nothing is all defaults`(text: String) {
        var defaults = SampleSettings()
        defaults.threads = 7
        let (settings, findings) = read(text, into: defaults)
        #expect(findings.problems.isEmpty)
        #expect(settings == defaults)
    }

    @Test func `all problems are reported at once, in the order of the lines`() {
        let text = """
            thread: 3
            share: 1.5
            is_on: yes
            color: light_bleu
            tags: [ok, {}, ""]
            limits:
              wait: 5
              size_bytes: 0
            groups:
              - members:
                  - who: a
                    wieght: 2
                  - [b]
                  -
              - 7
            title: a title that is much too long
            """
        #expect(
            problems(text) == [
                #"line 1: thread: unknown key; did you mean "threads"?"#,
                #"line 2: share: expected a number, 0.0 to 1.0, found "1.5""#,
                #"line 3: is_on: expected true or false, found "yes""#,
                #"line 4: color: expected one of red, light_blue, found "light_bleu"; did you mean "light_blue"?"#,
                #"line 5: tags[1]: expected text that is not empty, found a section"#,
                #"line 5: tags[2]: expected text that is not empty, found the text """#,
                #"line 7: limits.wait: unknown key; did you mean "wait_ms"?"#,
                #"line 8: limits.size_bytes: expected a whole number, at least 1, found "0""#,
                #"line 10: groups[0].name: is missing; expected text that is not empty"#,
                #"line 12: groups[0].members[0].wieght: unknown key; did you mean "weight"?"#,
                #"line 13: groups[0].members[1]: expected a section with keys, found a list"#,
                #"line 14: groups[0].members[2]: is empty; expected a section or its who"#,
                #"line 15: groups[1]: expected a section with keys, found "7""#,
                #"line 16: title: is longer than 20 bytes"#,
            ])
    }

    @Test func `a key with a problem keeps its default`() {
        let settings = read("threads: many\nshare: 0.1\n").settings
        #expect(settings.threads == SampleSettings().threads)
        #expect(settings.share == 0.1)
    }

    @Test func `an unknown key that is like no other names the keys there are`() {
        #expect(
            problems("limits: {colour: 1}") == [
                "line 1: limits.colour: unknown key; the keys here are wait_ms, size_bytes"
            ])
    }

    @Test func `a key that stands twice is reported with its path, with all other problems`() {
        let text = """
            limits:
              wait_ms: 1
              wait_ms: 2
            threads: x
            groups:
              - { name: a, name: b }
            """
        #expect(
            problems(text) == [
                "line 2: limits.wait_ms: the key stands more than once in its section; keep one of them",
                #"line 4: threads: expected a whole number, 0 to 64, found "x""#,
                "line 6: groups[0].name: the key stands more than once in its section; keep one of them",
            ])
    }

    @Test(arguments: ["'threads': 1\n'threads': 2", "!!str threads: 1\n!!str threads: 2"])
    func `a quoted or tagged key that stands twice is a problem with its line`(text: String) {
        #expect(problems(text) == [#"line 1: "threads" stands more than once in its section"#])
    }

    @Test func `very many keys that stand twice are one more problem, not one more pass each`() {
        let text = (0..<100).map { "key\($0): 1\nkey\($0): 2\n" }.joined()
        let found = problems(text)
        #expect(found.count == 1)
        #expect(found.first?.contains("stands more than once") == true)
    }

    @Test(arguments: [
        ("threads: [1", 1), ("threads: 1\n\tshare: 2", 2), ("a: b: c", 1), ("threads: 1\n---\nthreads: 2", 2),
        ("x: *nowhere", 1), ("\"open", 1), ("threads: \"\\uD800\"", 1), ("a: &a *a", 1), ("%YAML 9.9\n---\na: 1", 1),
    ])
    func `a text that is not YAML is one problem with its line`(text: String, line: Int) {
        let found = read(text).findings.problems
        #expect(found.count == 1)
        #expect(found.first?.line.map { abs($0 - line) <= 1 } == true, "\(found)")
        #expect(found.first?.text.contains("is not valid YAML") == true)
    }

    @Test(arguments: [("- a", "found a list"), ("just text", #"found "just text""#), ("7", #"found "7""#)])
    func `a file without keys at its top says what it is instead`(text: String, found: String) {
        #expect(problems(text) == ["line 1: expected sections with keys at the top of the file, \(found)"])
    }

    @Test func `bytes that are not UTF-8 are a problem`() {
        var settings = SampleSettings()
        let findings = ConfigText.read(bytes: [0x61, 0x3A, 0x20, 0xFF, 0xC0], into: &settings, secrets: .none)
        #expect(findings.problems.map(\.text) == ["the file is not UTF-8 text"])
    }

    @Test func `a file past the size bound is refused whatever is in it`() {
        var settings = SampleSettings()
        let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: ConfigText.largestFile + 1)
        let expected = ["the file is larger than 4194304 bytes"]
        #expect(ConfigText.read(bytes: bytes, into: &settings, secrets: .none).problems.map(\.text) == expected)
        #expect(
            read(String(repeating: "#", count: ConfigText.largestFile + 1)).findings.problems.map(\.text) == expected)
        #expect(read(String(repeating: "#", count: ConfigText.largestFile)).findings.problems.isEmpty)
    }

    @Test(arguments: ["[", "{", "{a: ", "[a: ", "- ", "? ", "- - ? ", "[? "])
    func `nesting without end is a problem`(opening: String) {
        #expect(read(String(repeating: opening, count: 100_000)).findings.problems.count == 1)
    }

    @Test func `nesting as deep as YAML allows is only an unknown key`() {
        let depth = 900
        let text = "deep: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(read(text).findings.problems.map(\.path) == ["deep"])
    }

    @Test func `the lines of keys and elements are known by path`() {
        let lines = read(SampleSettings.file).findings.lines
        #expect(lines["threads"] == 2)
        #expect(lines["limits.wait_ms"] == 10)
        #expect(lines["groups[0].members[1]"] == 19)
        #expect(lines["groups[0].members[1].weight"] == 19)
        #expect(lines["groups[1].name"] == 20)
        #expect(lines["tags[2]"] == 8)
        #expect(lines["nowhere"] == nil)
    }

    @Test func `a problem is written with the file's name as editors know it`() {
        let problem = Problem(path: "a.b", line: 3, text: "is wrong")
        #expect(problem.description(inFile: "x.yaml") == "x.yaml:3: a.b: is wrong")
        #expect(Problem(path: "", line: nil, text: "is wrong").description(inFile: "x.yaml") == "x.yaml: is wrong")
        let all = ConfigProblems([problem, Problem(path: "c", line: nil, text: "too")], file: "x.yaml")
        #expect(all.description == "x.yaml:3: a.b: is wrong\nx.yaml: c: too")
    }
}

struct ListAtTheTopTests {
    private func read(_ text: String, listKey: String?) -> (SampleSettings, [String]) {
        var settings = SampleSettings()
        let findings = ConfigText.read(text, into: &settings, secrets: .none, listKey: listKey)
        return (settings, findings.problems.map(\.description))
    }

    @Test func `a list at the top belongs to the key that is named`() {
        let (settings, problems) = self.read("- one\n- two\n", listKey: "tags")
        #expect(problems == [] && settings.tags == ["one", "two"])
        #expect(self.read("tags: [one]", listKey: "tags").0.tags == ["one"])
    }

    @Test func `where no key is named it is a problem, and so is anything else at the top`() {
        #expect(self.read("[one]", listKey: nil).1.first?.contains("expected sections with keys at the top") == true)
        #expect(self.read("one", listKey: "tags").1.first?.contains("expected a list at the top") == true)
    }
}
