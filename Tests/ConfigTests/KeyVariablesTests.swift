import Testing

@testable import Config

/// Environment variables that stand for keys of the sample.
struct KeyVariablesTests {
    private let keys = KeyVariables(of: SampleSettings.self, prefix: "APP_")

    private func settings(
        _ environment: [String: String], over text: String = SampleSettings.file,
        defaults: SampleSettings = SampleSettings()
    ) -> (settings: SampleSettings, findings: ConfigText.Findings) {
        var settings = defaults
        let overrides = self.keys.overrides(in: environment).byPath
        let findings = ConfigText.read(text, into: &settings, secrets: .sample, overrides: overrides)
        return (settings, findings)
    }

    private func problems(_ environment: [String: String], over text: String = SampleSettings.file) -> [String] {
        self.settings(environment, over: text).findings.problems.map { $0.description(inFile: "app.yaml") }
    }

    @Test func `a variable wins over the file, in every kind of value`() {
        let (settings, findings) = self.settings([
            "APP_THREADS": "7", "APP_SHARE": "0.75", "APP_IS_ON": "true", "APP_TITLE": "12", "APP_COLOR": "red",
            "APP_NOTE": "null", "APP_TAGS": "x, y ,z", "APP_LIMITS_WAIT_MS": "9", "APP_EXTRA_SIZE_BYTES": "3",
            "APP_GROUPS_1_NAME": "third", "APP_GROUPS_0_MEMBERS_1_WEIGHT": "5", "APP_GROUPS_0_MEMBERS_0_WHO": "ann",
        ])
        #expect(findings.problems.isEmpty)
        var expected = read(SampleSettings.file).settings
        expected.threads = 7
        expected.share = 0.75
        expected.isOn = true
        expected.title = "12"
        expected.color = .red
        expected.note = "null"
        expected.tags = ["x", "y", "z"]
        expected.limits.waitMs = 9
        expected.extra?.sizeBytes = 3
        expected.groups[1].name = "third"
        expected.groups[0].members[1].weight = 5
        expected.groups[0].members[0].who = "ann"
        #expect(settings == expected)
    }

    @Test func `without a file variables change the defaults`() {
        var defaults = SampleSettings()
        defaults.groups = [SampleSettings.Group(name: "one", members: [.init(who: "bo")])]
        let environment = ["APP_LIMITS_WAIT_MS": "9", "APP_EXTRA_WAIT_MS": "8", "APP_GROUPS_0_MEMBERS_0_WEIGHT": "4"]
        let (settings, findings) = self.settings(environment, over: "", defaults: defaults)
        #expect(findings.problems.isEmpty)
        defaults.limits.waitMs = 9
        defaults.extra = SampleSettings.Limits(waitMs: 8)
        defaults.groups[0].members[0].weight = 4
        #expect(settings == defaults)
    }

    @Test func `an empty variable says nothing, and others are not ours`() {
        let (settings, findings) = self.settings(["APP_THREADS": "", "OTHER_THREADS": "9", "THREADS": "9"])
        #expect(findings.problems.isEmpty && settings == read(SampleSettings.file).settings)
    }

    @Test func `a value is checked as the file's is, and the problem names the variable`() {
        #expect(
            self.problems(["APP_THREADS": "65", "APP_COLOR": "redd", "APP_TAGS": "a,b", "APP_LIMITS_WAIT_MS": "5s"])
                .sorted() == [
                    "APP_COLOR: expected one of red, light_blue, found \"redd\"; did you mean \"red\"?",
                    "APP_LIMITS_WAIT_MS: expected a whole number, 1 to 60000, found \"5s\"; "
                        + "the key's name has the unit: a number of milliseconds",
                    "APP_THREADS: expected a whole number, 0 to 64, found \"65\"",
                ])
    }

    @Test func `what the file says wrong does not matter where a variable says it right`() {
        #expect(self.problems(["APP_THREADS": "5"], over: "threads: many").isEmpty)
    }

    @Test func `an element that the file does not have is a problem`() {
        #expect(
            self.problems(["APP_GROUPS_2_NAME": "x", "APP_GROUPS_0_MEMBERS_9_WHO": "y"]) == [
                "APP_GROUPS_0_MEMBERS_9_WHO: there is no groups[0].members[9] whose setting APP_GROUPS_0_MEMBERS_9_WHO"
                    + " could change",
                "APP_GROUPS_2_NAME: there is no groups[2] whose setting APP_GROUPS_2_NAME could change",
            ])
    }

    @Test func `a secret's place may come from a variable, and replaces the file's`() throws {
        let (settings, findings) = self.settings(["APP_TOKEN_FILE": "/token"])
        #expect(findings.problems.isEmpty && settings.token?.reveal() == "s3cret-file")
        #expect(findings.secretVariables.isEmpty)
        #expect(self.settings([:]).findings.secretVariables == ["SAMPLE_TOKEN"])
        let open = self.problems(["APP_TOKEN": "hunter2"])
        #expect(open.count == 1 && open[0].hasPrefix("APP_TOKEN: is a secret; set APP_TOKEN_ENV"))
        #expect(!open[0].contains("hunter2"))
    }

    @Test(arguments: [
        ("APP_THREDS", "no such variable; did you mean APP_THREADS?"),
        ("APP_LIMITS__WAIT_MS", "no such variable; did you mean APP_LIMITS_WAIT_MS?"),
        ("APP_GROUP_1_NAME", "no such variable; did you mean APP_GROUPS_1_NAME?"),
        ("APP_LIMITS_WAIT", "no such variable; did you mean APP_LIMITS_WAIT_MS?"),
        ("APP_LIMITS", "stands for a section, and only keys have variables, such as APP_LIMITS_SIZE_BYTES"),
        ("APP_LIMITS_ELSEWHERE", "no such variable: limits has no such key"),
        ("APP_FLAGG", "no such variable; did you mean APP_FLAG?"),
    ])
    func `a mistyped variable is told from one that is somebody else's`(variable: String, mistake: String) {
        #expect(self.keys.overrides(in: [variable: "1"]).others == [variable])
        #expect(self.keys.mistake(in: variable, besides: ["APP_FLAG"]) == mistake)
        #expect(self.keys.mistake(in: "APP_SERVICE_HOST", besides: []) == nil)
    }

    @Test func `every key has the variable that its path says`() {
        #expect(self.keys.variable(of: "groups[].members[].weight") == "APP_GROUPS_0_MEMBERS_0_WEIGHT")
        let found = self.keys.overrides(in: ["APP_GROUPS_3_MEMBERS_12_WEIGHT": "1", "APP_GROUPS_03_NAME": "x"])
        #expect(found.byPath.keys.sorted() == ["groups[3].members[12].weight"])
        #expect(found.others == ["APP_GROUPS_03_NAME"])
    }
}
