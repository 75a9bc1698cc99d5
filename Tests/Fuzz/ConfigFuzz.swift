import Config

/// The config loader: settings or problems, and what was read can be written and read back.
enum ConfigFuzz {
    static func run(_ input: [UInt8]) {
        let secrets = SecretSources(environment: { _ in "secret" }, file: { _ in "secret" })
        var list = Settings()
        _ = ConfigText.read(bytes: input, into: &list, secrets: secrets, listKey: "groups")
        var settings = Settings()
        let findings = ConfigText.read(bytes: input, into: &settings, secrets: secrets)
        promise(findings.problems.allSatisfy { !$0.text.isEmpty }, "a problem says what it is")
        guard findings.problems.isEmpty else { return }
        var again = Settings()
        let second = ConfigText.read(ConfigText.effective(settings), into: &again, secrets: secrets)
        promise(second.problems.isEmpty, "what is written can be read: \(second.problems)")
        promise(again == settings, "what is read back is the same")
    }

    private struct Settings: ConfigSection, Equatable {
        var threads = 0
        var share = 0.5
        var isOn = true
        var title = "none"
        var note: String?
        var tags: [String] = []
        var limits = Limits()
        var groups: [Limits] = []

        mutating func read(from section: SectionReader) {
            section.value("threads", &self.threads, .int(in: 0...64), "Threads.")
            section.value("share", &self.share, .double(in: 0...1), "A part.")
            section.value("is_on", &self.isOn, .bool, "Whether.")
            section.value("title", &self.title, .string(atMost: 20), "A name.")
            section.optionalValue("note", &self.note, .string(), "More.")
            section.values("tags", &self.tags, of: .string(emptyAllowed: false), "Words.")
            section.section("limits", &self.limits, "How much.")
            section.sections("groups", &self.groups, shorthand: "name", "Groups.")
        }
    }

    private struct Limits: ConfigSection, Equatable {
        var name = ""
        var waitMs = 1_000

        mutating func read(from section: SectionReader) {
            section.value("name", &self.name, .string(), "A name.")
            section.value("wait_ms", &self.waitMs, .int(in: 1...60_000), "How long.")
        }
    }
}
