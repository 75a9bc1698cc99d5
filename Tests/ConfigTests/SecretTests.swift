import Testing

@testable import Config

struct SecretTests {
    @Test(arguments: [("token_env: SAMPLE_TOKEN", "s3cret-env"), ("token_file: /token", "s3cret-file")])
    func `a secret comes from the environment or a file, and nothing prints it`(text: String, value: String) throws {
        let (settings, findings) = read(text)
        #expect(findings.problems.isEmpty)
        let token = try #require(settings.token)
        #expect(token.reveal() == value)
        var dumped = ""
        dump(settings, to: &dumped)
        for shown in ["\(token)", String(reflecting: token), "\(settings)", dumped, ConfigText.effective(settings)] {
            #expect(!shown.contains(value))
        }
        #expect(ConfigText.effective(settings).contains("\(text)  # <set>"))
    }

    @Test(arguments: [
        ("token_env: NOT_SET", #"line 1: token_env: environment variable "NOT_SET" is not set"#),
        ("token_env: EMPTY", #"line 1: token_env: environment variable "EMPTY" is not set"#),
        ("token_file: /nowhere", #"line 1: token_file: file "/nowhere" cannot be read"#),
        ("token_file: /empty", #"line 1: token_file: file "/empty" is empty"#),
        ("token_env: [a]", "line 1: token_env: expected text that is not empty, found a list"),
        (
            "token_env: SAMPLE_TOKEN\ntoken_file: /token",
            "line 2: token_file: token_env and token_file exclude each other; keep one"
        ),
    ])
    func `a secret that is not there is a problem`(text: String, problem: String) {
        #expect(problems(text) == [problem])
    }

    @Test func `a secret in the file itself is a problem that does not show it`() {
        let found = problems("token: hunter2")
        #expect(found.count == 1)
        #expect(found.first?.contains("token_env") == true)
        #expect(found.first?.contains("hunter2") == false)
    }
}
