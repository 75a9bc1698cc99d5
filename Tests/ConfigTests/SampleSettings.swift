@testable import Config

/// Settings that use everything a section may have, as a program would declare them.
struct SampleSettings: ConfigSection, Equatable {
    var threads = 0
    var share = 0.5
    var isOn = true
    var title = "none"
    var color = Color.red
    var note: String?
    var tags: [String] = []
    var limits = Limits()
    var extra: Limits?
    var groups: [Group] = []
    var token: Secret?

    enum Color: String, CaseIterable {
        case red
        case lightBlue = "light_blue"
    }

    mutating func read(from section: SectionReader) {
        section.value("threads", &self.threads, .int(in: 0...64), "Threads that work. Zero means one per core.")
        section.value("share", &self.share, .double(in: 0...1), "A part of the whole.")
        section.value("is_on", &self.isOn, .bool, "Whether anything happens.")
        section.value("title", &self.title, .string(atMost: 20), "What it is called.")
        section.value("color", &self.color, .oneOf, "How it looks.")
        section.optionalValue("note", &self.note, .string(), "What else there is to say.")
        section.values("tags", &self.tags, of: .string(emptyAllowed: false), "Words.")
        section.section("limits", &self.limits, "How much there may be.")
        section.optionalSection("extra", &self.extra, "More limits.")
        section.sections("groups", &self.groups, "Groups of members.")
        section.secret("token", &self.token, "What callers must know.")
    }

    struct Limits: ConfigSection, Equatable {
        var waitMs = 1_000
        var sizeBytes = 64

        mutating func read(from section: SectionReader) {
            section.value("wait_ms", &self.waitMs, .int(in: 1...60_000), "How long to wait.")
            section.value("size_bytes", &self.sizeBytes, .int(in: 1 ... .max), "How large it may be.")
        }
    }

    struct Group: ConfigSection, Equatable {
        var name = ""
        var members: [Member] = []

        mutating func read(from section: SectionReader) {
            section.value("name", &self.name, .string(emptyAllowed: false), required: true, "What it is called.")
            section.sections("members", &self.members, shorthand: "who", "Who is in it.")
        }
    }

    struct Member: ConfigSection, Equatable {
        var who = ""
        var weight = 1

        mutating func read(from section: SectionReader) {
            section.value("who", &self.who, .string(emptyAllowed: false), required: true, "Who it is.")
            section.value("weight", &self.weight, .int(in: 1...100), "How much it counts.")
        }
    }

    /// Every kind of value, in both YAML styles, with an anchor and a merge key.
    static let file = """
        # A sample.
        threads: 4
        share: 0.25
        is_on: false
        title: "on: \\"x\\""
        color: light_blue
        note: 'it''s'
        tags: [one, "two", 3]
        limits: &small
          wait_ms: 10_000
          size_bytes: 1
        extra:
          <<: *small
          wait_ms: 5
        groups:
          - name: first
            members:
              - alice
              - { who: bob, weight: 2 }
          - name: second
            members: []
        token_env: SAMPLE_TOKEN
        """
}

/// The settings and what was found, from a text and these defaults.
func read(
    _ text: String, into defaults: SampleSettings = SampleSettings(), secrets: SecretSources = .sample
) -> (settings: SampleSettings, findings: ConfigText.Findings) {
    var settings = defaults
    let findings = ConfigText.read(text, into: &settings, secrets: secrets)
    return (settings, findings)
}

/// The descriptions of everything that is wrong with the text.
func problems(_ text: String) -> [String] {
    read(text).findings.problems.map(\.description)
}

extension SecretSources {
    static var sample: Self {
        struct NoFile: Error {}
        return Self(
            environment: { ["SAMPLE_TOKEN": "s3cret-env", "EMPTY": ""][$0] },
            file: { path throws in
                guard let text = ["/token": "s3cret-file\n", "/empty": "\n"][path] else { throw NoFile() }
                return text
            })
    }
}
