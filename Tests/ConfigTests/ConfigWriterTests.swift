import Testing

@testable import Config

struct ConfigWriterTests {
    @Test func `the effective file says every key and is read back as the same settings`() {
        let settings = read(SampleSettings.file).settings
        let text = ConfigText.effective(settings)
        let (again, findings) = read(text)
        #expect(findings.problems.isEmpty)
        #expect(again == settings)
        #expect(
            text == """
                threads: 4
                share: 0.25
                is_on: false
                title: "on: \\"x\\""
                color: light_blue
                note: "it's"
                tags: [one, two, 3]
                limits:
                  wait_ms: 10000
                  size_bytes: 1
                extra:
                  wait_ms: 5
                  size_bytes: 1
                groups:
                  - name: first
                    members:
                      - who: alice
                        weight: 1
                      - who: bob
                        weight: 2
                  - name: second
                    members: []
                token_env: SAMPLE_TOKEN  # <set>

                """)
    }

    @Test(arguments: [
        "", " ", "~", "null", "true", "No", "a: b", "a #b", "#", "- a", "[::1]:1", "127.0.0.1:1", "é", "\u{0}",
        "a\u{FEFF}",
        "\"", "\\", "a\nb", "a\r\nb", "\u{85}", "\u{2028}", "'", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", ":",
        "a:", ",", "{a}", "\u{F8FF}", "👩‍👩‍👧", "e\u{301}", "1", "1_0", "0x1", "-1", ".5", "12:30:00", "a/b", "/a b",
        "a,b",
    ])
    func `any text is written so that it is read back`(text: String) {
        var settings = SampleSettings()
        settings.title = text
        settings.tags = [text + "x", "x" + text]
        let (again, findings) = read(ConfigText.effective(settings))
        #expect(findings.problems.isEmpty)
        #expect(again == settings)
        #expect(again.title.unicodeScalars.elementsEqual(text.unicodeScalars))
    }

    @Test func `the reference names every key with its manual entry and is valid itself`() {
        let text = ConfigText.reference(of: SampleSettings.self)
        let (settings, findings) = read(text)
        #expect(findings.problems.isEmpty)
        #expect(settings == SampleSettings())
        for piece in [
            "# Threads that work. Zero means one per core. (a whole number, 0 to 64)\nthreads: 0\n",
            "# note:\n", "# extra:\n", "#   wait_ms: 1000\n", "groups: []\n",
            "#     # Who is in it. (a list of sections)\n",
            "#     members: []\n", "#     #     weight: 1\n", "(text that is not empty; required)\n",
            "# token_env:\n# token_file:\n",
        ] {
            #expect(text.contains(piece), "\(piece)")
        }
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }
}
